"""Checkpoints: atomic, limited in number, and read without running code of a pickle."""

import os
import pickle
import random

import pytest
import torch

from manifests.errors import DataError, UsageError
from trainer.checkpoints.checkpoint import Checkpoints, load_model
from trainer.checkpoints.state import RunState, checkpoint_steps, read_state
from trainer.config import CheckpointConfig, OptimizerConfig
from trainer.models import MODELS, DecoderDims
from trainer.optimization.optimizer import make_optimizer
from trainer.parallel import distributed_context, initialize, shard

STATE: RunState = {
    "progress": {"step": 1},
    "stream": {"position": 8},
    "guard": {"norms": [0.1, 2.5]},
    "losses": [[0.5, 1.0]],
    "config": "seed = 1",
    "world_size": 1,
}
DIMS = DecoderDims(layers=1, width=32, heads=4, inner=64)


@pytest.fixture
def world():
    with distributed_context(1) as world:
        yield world


def make(world, seed: int, dims: DecoderDims = DIMS):
    with torch.device("meta"):
        model = MODELS["codegen2"](dims, 50)
    shard(model, world, bf16=False)
    initialize(model, seed)
    return model, make_optimizer(model, OptimizerConfig(learning_rate=1e-2))


def checkpoints_at(directory, world, **options) -> Checkpoints:
    return Checkpoints(str(directory), CheckpointConfig(**options), world)


def step(model, optimizer) -> None:
    tokens = torch.randint(0, 50, (2, 16), generator=torch.Generator().manual_seed(1))
    model(tokens, torch.ones(2, 16)).total.backward()
    optimizer.step()
    optimizer.zero_grad()


def weights(model) -> list[torch.Tensor]:
    return [p.full_tensor().detach().clone() for p in model.parameters()]


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_checkpoint_holds_the_state_of_its_step(tmp_path, world) -> None:
    model, optimizer = make(world, 1)
    checkpoints = checkpoints_at(tmp_path, world, keep=2)
    step(model, optimizer)
    torch.manual_seed(4)
    checkpoints.save(1, model, optimizer, STATE)
    drawn = torch.rand(3)
    then = weights(model)
    step(model, optimizer)  # while it is written
    after = weights(model)
    checkpoints.finish()
    model, optimizer = make(world, 2)
    checkpoints.load(1, model, optimizer)
    assert same(weights(model), then)
    assert torch.equal(torch.rand(3), drawn)
    step(model, optimizer)  # with the moments of the optimizer
    assert same(weights(model), after)
    assert read_state(str(tmp_path), 1) == STATE


def test_only_the_last_checkpoints_are_kept(tmp_path, world) -> None:
    model, optimizer = make(world, 1)
    checkpoints = checkpoints_at(tmp_path, world, keep=2)
    for number in (1, 2, 3):
        checkpoints.save(number, model, optimizer, STATE)
    checkpoints.finish()
    assert checkpoint_steps(str(tmp_path)) == [2, 3]
    assert sorted(os.listdir(tmp_path)) == ["00000002", "00000003"]


def test_every_so_many_checkpoints_one_is_kept_for_good(tmp_path, world) -> None:
    model, optimizer = make(world, 1)
    checkpoints = checkpoints_at(tmp_path, world, keep=1, keep_every=4)
    for number in (2, 4, 6, 8, 9, 10):
        checkpoints.save(number, model, optimizer, STATE)
    checkpoints.close()
    assert checkpoint_steps(str(tmp_path)) == [4, 8, 10]


def test_incomplete_checkpoints_are_removed(tmp_path, world) -> None:
    (tmp_path / ".00000003.tmp").mkdir()
    assert checkpoint_steps(str(tmp_path)) == []
    checkpoints_at(tmp_path, world, keep=9)
    assert not (tmp_path / ".00000003.tmp").exists()


@pytest.fixture
def three(tmp_path, world) -> Checkpoints:
    """Checkpoints of steps 1, 2 and 3, whose weights differ."""
    model, optimizer = make(world, 1)
    checkpoints = checkpoints_at(tmp_path, world, keep=9)
    for number in (1, 2, 3):
        step(model, optimizer)
        state: RunState = {**STATE, "progress": {"step": number}}
        checkpoints.save(number, model, optimizer, state)
    checkpoints.finish()
    return checkpoints


def flip(path, place: int, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= bits
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["checkpoint.json", ".metadata", "__0_0.distcp"])
def test_no_flipped_bit_loads(tmp_path, three, name) -> None:
    path = tmp_path / "00000003" / name
    whole = path.read_bytes()
    generator = random.Random(0)
    for _ in range(40):
        place, bits = generator.randrange(len(whole)), 1 << generator.randrange(8)
        flip(path, place, bits)
        assert chosen(three) == 2, (place, bits)
        path.write_bytes(whole)
    assert chosen(three) == 3


@pytest.mark.parametrize("name", ["checkpoint.json", ".metadata", "__0_0.distcp"])
@pytest.mark.parametrize("share", [None, 0.0, 0.5, 1.0])
def test_a_missing_or_cut_or_longer_file_is_noticed(tmp_path, three, name, share) -> None:
    path = tmp_path / "00000003" / name
    whole = path.read_bytes()
    path.unlink()
    if share is not None:
        path.write_bytes(whole[: int(share * len(whole))] + (b"\n" if share == 1.0 else b""))
    assert chosen(three) == 2
    with pytest.raises(DataError, match=f"00000003/{name}: "):
        load_model(str(tmp_path), 3, MODELS["codegen2"](DIMS, 50))


def chosen(checkpoints: Checkpoints) -> int:
    state = checkpoints.select()
    assert state is not None
    return int(state["progress"]["step"])


def test_a_damaged_checkpoint_is_set_aside_when_an_older_one_is_continued(
    tmp_path, world, three, caplog
) -> None:
    flip(tmp_path / "00000003" / "__0_0.distcp", 1000)
    assert chosen(three) == 2
    assert "00000003/__0_0.distcp: is damaged" in caplog.text
    three.set_aside_after(2)
    assert sorted(os.listdir(tmp_path)) == ["00000001", "00000002", "00000003.unused"]


def test_without_a_whole_checkpoint_nothing_is_loaded(tmp_path, three) -> None:
    for number in (1, 2, 3):
        flip(tmp_path / f"{number:08d}" / "__0_0.distcp", 1000)
    with pytest.raises(DataError, match=r"none of the checkpoints of steps \[1, 2, 3\] is whole"):
        three.select()


def test_a_step_can_be_chosen(tmp_path, three) -> None:
    state = three.select(1)
    assert state is not None
    assert state["progress"] == {"step": 1}
    with pytest.raises(UsageError, match=r"has no checkpoint of step 7, only of \[1, 2, 3\]"):
        three.select(7)


def test_a_disk_without_space_leaves_the_older_checkpoints(tmp_path, world, three) -> None:
    # The writer makes a directory of this name, so it fails as on a file system without space.
    (tmp_path / ".00000004.tmp").write_bytes(b"")
    with pytest.raises(OSError, match=r"00000004"):
        three.save(4, *make(world, 1), STATE)
        three.finish()
    assert checkpoint_steps(str(tmp_path)) == [1, 2, 3]


def test_a_model_that_is_not_sharded_loads_without_a_process_group(tmp_path) -> None:
    with distributed_context(1) as world:
        model, optimizer = make(world, 1)
        checkpoints = checkpoints_at(tmp_path / "b", world, keep=1)
        checkpoints.save(7, model, optimizer, STATE)
        checkpoints.finish()
        wanted = weights(model)
    plain = MODELS["codegen2"](DIMS, 50)
    load_model(str(tmp_path / "b"), 7, plain)
    assert same(list(plain.parameters()), wanted)


def test_a_checkpoint_of_other_dimensions_is_refused(tmp_path, world) -> None:
    model, optimizer = make(world, 1)
    checkpoints = checkpoints_at(tmp_path, world, keep=1)
    checkpoints.save(1, model, optimizer, STATE)
    checkpoints.finish()
    other = make(world, 1, DecoderDims(layers=2, width=32, heads=4, inner=64))
    with pytest.raises(DataError, match="00000001: cannot be read"):
        checkpoints.load(1, *other)


def test_a_pickle_that_runs_code_is_refused(tmp_path, world) -> None:
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    model, optimizer = make(world, 1)
    checkpoints = checkpoints_at(tmp_path, world, keep=1)
    checkpoints.save(1, model, optimizer, STATE)
    checkpoints.finish()
    (tmp_path / "00000001" / ".metadata").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match=r"posix\.mkdir, which is not trusted"):
        checkpoints.load(1, model, optimizer)
    assert not (tmp_path / "ran").exists()


def test_initial_weights_depend_on_the_seed_and_their_names_alone(world) -> None:
    small, _ = make(world, 3)
    deep, _ = make(world, 3, DecoderDims(layers=2, width=32, heads=4, inner=64))
    ours, theirs = dict(small.named_parameters()), dict(deep.named_parameters())
    name = "blocks.0.attention.qkv.weight"
    assert torch.equal(ours[name].full_tensor(), theirs[name].full_tensor())
    assert not same(weights(small), weights(make(world, 4)[0]))
