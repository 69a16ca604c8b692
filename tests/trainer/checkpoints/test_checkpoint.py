"""Checkpoints: atomic, limited in number, and read without running code of a pickle."""

import os
import pickle

import pytest
import torch

from manifests.errors import DataError
from trainer.checkpoints.checkpoint import (
    Checkpoints,
    RunState,
    complete_steps,
    load_model,
    read_run_state,
)
from trainer.config import OptimizerConfig
from trainer.models import MODELS, DecoderDims
from trainer.optimization.optimizer import make_optimizer
from trainer.parallel import distributed_context, initialize, shard

STATE: RunState = {"progress": {"step": 1}, "stream": {"position": 8}, "world_size": 1}
DIMS = DecoderDims(layers=1, width=32, heads=4, inner=64)


@pytest.fixture
def world():
    with distributed_context() as world:
        yield world


def make(world, seed: int, dims: DecoderDims = DIMS):
    with torch.device("meta"):
        model = MODELS["codegen2"](dims, 50)
    shard(model, world, bf16=False)
    initialize(model, seed)
    return model, make_optimizer(model, OptimizerConfig(learning_rate=1e-2))


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
    checkpoints = Checkpoints(str(tmp_path), keep=2, rank=0)
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
    assert read_run_state(str(tmp_path), 1) == STATE


def test_only_the_last_checkpoints_are_kept(tmp_path, world) -> None:
    model, optimizer = make(world, 1)
    checkpoints = Checkpoints(str(tmp_path), keep=2, rank=0)
    for number in (1, 2, 3):
        checkpoints.save(number, model, optimizer, STATE)
    checkpoints.finish()
    assert complete_steps(str(tmp_path)) == [2, 3]
    assert sorted(os.listdir(tmp_path)) == ["00000002", "00000003"]


def test_incomplete_checkpoints_are_ignored_and_removed(tmp_path, world) -> None:
    model, optimizer = make(world, 1)
    checkpoints = Checkpoints(str(tmp_path), keep=9, rank=0)
    for number in (1, 2):
        checkpoints.save(number, model, optimizer, STATE)
    checkpoints.finish()
    os.remove(tmp_path / "00000002" / "checkpoint.json")
    (tmp_path / ".00000003.tmp").mkdir()
    assert complete_steps(str(tmp_path)) == [1]
    Checkpoints(str(tmp_path), keep=9, rank=0)
    assert not (tmp_path / ".00000003.tmp").exists()


def test_a_model_that_is_not_sharded_loads_without_a_process_group(tmp_path) -> None:
    with distributed_context() as world:
        model, optimizer = make(world, 1)
        checkpoints = Checkpoints(str(tmp_path / "b"), keep=1, rank=0)
        checkpoints.save(7, model, optimizer, STATE)
        checkpoints.finish()
        wanted = weights(model)
    plain = MODELS["codegen2"](DIMS, 50)
    load_model(str(tmp_path / "b"), 7, plain)
    assert same(list(plain.parameters()), wanted)


def test_a_checkpoint_of_other_dimensions_is_refused(tmp_path, world) -> None:
    model, optimizer = make(world, 1)
    checkpoints = Checkpoints(str(tmp_path), keep=1, rank=0)
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
    checkpoints = Checkpoints(str(tmp_path), keep=1, rank=0)
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
