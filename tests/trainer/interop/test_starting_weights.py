"""`init`: a run starts from the weights of a run or of a model directory."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import torch

from manifests.errors import DataError, UsageError
from objectives.stream.stream import Stream
from tests.trainer.recorder import Recorder, kill
from trainer.checkpoints.state import file_record
from trainer.interop.export import export_run
from trainer.interop.starting_weights import set_first_weights
from trainer.interop.training_data import record_of_run
from trainer.metrics import read_metrics
from trainer.parallel import distributed_context
from trainer.run import Run
from trainer.train import Training, train


@pytest.fixture(scope="module")
def export(trained: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The export of a run."""
    path = str(tmp_path_factory.mktemp("export") / "base")
    export_run(Run.open(trained), path)
    return path


@pytest.fixture
def copy(export: str, tmp_path: Path) -> Path:
    """A copy of the export, to be changed."""
    return Path(shutil.copytree(export, tmp_path / "copy"))


@pytest.mark.parametrize("kind", ["trained", "export"])
def test_the_first_loss_is_that_of_the_given_weights(configure, caplog, request, kind) -> None:
    path = request.getfixturevalue(kind)
    config = configure(f"init={path}", "seed=77", "schedule.steps=1")
    metrics = train(config)
    given = Run.open(request.getfixturevalue("trained")).model()
    batch = Stream.open(Run.open(config.output).plan).batch(0, config.batch.sequences)
    with torch.no_grad():
        weights = torch.from_numpy(batch.loss_weights)
        loss = given(torch.from_numpy(batch.tokens), weights).entropy.sum() / weights[:, 1:].sum()
    assert metrics["loss"] == pytest.approx(float(loss), rel=1e-6)
    [sentence] = [r.message for r in caplog.records if r.name.startswith("trainer")]
    assert f"starts with the weights of {path}" in sentence
    assert "schedule and the data begin at step 0" in sentence
    assert metrics["learning_rate"] == pytest.approx(1e-2)


@pytest.mark.parametrize("kind", ["trained", "export"])
def test_the_record_and_the_digest_of_the_start_are_made_by_the_first_process_alone(
    configure, request, kind
) -> None:
    config = configure(f"init={request.getfixturevalue(kind)}")
    module = "trainer.interop.starting_weights"
    with (
        distributed_context(1) as context,
        mock.patch(f"{module}.file_record", side_effect=file_record) as hashed,
        mock.patch(f"{module}.record_of_run", side_effect=record_of_run) as recorded,
    ):
        training = Training(config, context)
        assert hashed.called or recorded.called
        hashed.reset_mock()
        recorded.reset_mock()
        set_first_weights(training.run, training.model, replace(context, rank=1))
        assert not hashed.called
        assert not recorded.called


def test_a_run_that_continues_does_not_need_its_starting_weights(configure, copy) -> None:
    whole, stopped = (configure(f"init={copy}", f"output={name}") for name in ("a", "b"))
    train(whole)
    with pytest.raises(MemoryError):
        train(stopped, source=Recorder(5, kill))
    shutil.rmtree(copy)
    train(stopped)
    losses = [
        [line["loss"] for line in read_metrics(os.path.join(config.output, "metrics.jsonl"))]
        for config in (whole, stopped)
    ]
    assert losses[0] == losses[1]
    with pytest.raises(UsageError, match=r"init was .*copy when this run began and is None now"):
        train(configure("output=b"))


def test_before_the_first_checkpoint_the_starting_weights_may_change(configure, export) -> None:
    with pytest.raises(MemoryError):
        train(configure(f"init={export}"), source=Recorder(1, kill))
    assert Path(configure().output, "init.json").exists()
    train(configure("schedule.steps=1"))
    assert not Path(configure().output, "init.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.size.layers=1", "has layers 2, and the run 1"),
        ("model.size.heads=8", "has heads 4, and the run 8"),
        ("model.name=llama", "has model CodeGen2, and the run Llama"),
        ("data.sequence_length=128", "has a context of 64 tokens, and data.sequence_length is 128"),
    ],
)
@pytest.mark.parametrize("kind", ["trained", "export"])
def test_a_model_of_other_dimensions_is_refused(configure, request, kind, change, message) -> None:
    with pytest.raises(UsageError, match=f"^init: the model of .* {message}$"):
        train(configure(f"init={request.getfixturevalue(kind)}", change))


def test_a_vocabulary_of_other_tokens_is_refused(configure, copy) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(
        UsageError, match=r"init: the tokenizer of .* has other tokens than that of"
    ):
        train(configure(f"init={copy}"))


def test_a_pickle_and_a_damaged_file_are_refused(configure, copy, run_toml) -> None:
    weights = copy / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1])
    with pytest.raises(DataError, match="is not a whole safetensors file"):
        train(configure(f"init={copy}"))
    weights.rename(copy / "pytorch_model.bin")
    with pytest.raises(UsageError, match="its weights are a pickle"):
        train(configure(f"init={copy}"))
    (copy / "stackpile.json").unlink()
    with pytest.raises(UsageError, match="was not written by `stackpile export` or"):
        train(configure(f"init={copy}"))
    with pytest.raises(UsageError, match="is not a model directory"):
        train(configure(f"init={os.path.dirname(run_toml)}"))


def test_an_export_says_what_its_run_started_from(configure, export, trained, tmp_path) -> None:
    for number, start in enumerate((export, str(tmp_path / "run0"))):
        train(configure(f"init={start}", f"output=run{number}", "schedule.steps=1"))
    export_run(Run.open(str(tmp_path / "run1")), str(tmp_path / "mono"))
    record = json.loads((tmp_path / "mono/stackpile.json").read_text())
    assert (record["step"], record["init"]["name"]) == (1, "run0")
    first = record["init"]["record"]["init"]
    assert (first["name"], first["record"]["step"], first["record"]["init"]) == ("base", 4, None)
    assert (
        first["record"]["components"]
        == json.loads(Path(export, "stackpile.json").read_text())["components"]
    )
    card = (tmp_path / "mono/README.md").read_text()
    assert card.index("### Before: run0") < card.index("### Before: base")
    assert first["weights"] in card
