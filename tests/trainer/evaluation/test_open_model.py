"""What identifies a model: the weights of its checkpoint."""

import shutil
from pathlib import Path

from trainer.evaluation.open_model import open_model


def test_a_run_is_identified_by_its_checkpoint_alone(trained: str, tmp_path: Path) -> None:
    _, last = open_model(trained, None)
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    (copy / "metrics.jsonl").unlink()
    assert open_model(str(copy), 4)[1] == last | {"path": str(copy)}
    checkpoint = copy / "checkpoints/00000004"
    shutil.rmtree(checkpoint)
    shutil.copytree(copy / "checkpoints/00000003", checkpoint)  # other weights of the same step
    assert open_model(str(copy), 4)[1]["digest"] != last["digest"]
