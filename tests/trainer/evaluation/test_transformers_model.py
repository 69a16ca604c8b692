"""A model of transformers answers as the same weights in a model of ours."""

import shutil

import pytest

from manifests.errors import UsageError
from trainer.evaluation.model import OwnModel, Question
from trainer.evaluation.open_model import open_model
from trainer.evaluation.transformers_model import TransformersModel
from trainer.interop.export import export_run
from trainer.run import Run
from trainer.sampling.generate import Sampling
from trainer.sampling.text import Prompt


@pytest.fixture(scope="module")
def folder(trained: str, tmp_path_factory) -> str:
    """An export without Stackpile's record, as another program would write it."""
    path = tmp_path_factory.mktemp("hf") / "export"
    export_run(Run.open(trained), str(path))
    (path / "stackpile.json").unlink()
    return str(path)


def test_it_scores_and_samples_as_ours(trained: str, folder: str) -> None:
    ours, identity = open_model(trained, None)
    theirs, other = open_model(folder, None)
    assert isinstance(ours, OwnModel) and isinstance(theirs, TransformersModel)
    assert identity["step"] == 4 and identity["digest"] != other["digest"]
    assert theirs.context == ours.context
    assert theirs.prompt([]) == ours.prompt([])
    prompts = [Prompt("def value("), Prompt("a", "b"), Prompt("")]
    assert [theirs.prompt_ids(p) for p in prompts] == [ours.prompt_ids(p) for p in prompts]
    questions = [Question([3], [4, 5, 6]), Question(list(range(9, 30)), [40, 41])]
    for one, two in zip(ours.likelihoods(questions), theirs.likelihoods(questions), strict=True):
        assert one.log_probability == pytest.approx(two.log_probability, rel=1e-4)
        assert (one.greedy, one.tokens) == (two.greedy, two.tokens)
    greedy = Sampling(tokens=8, temperature=0, samples=2)
    ids = [ours.prompt_ids(Prompt("def value("))]
    assert theirs.sample(ids, False, greedy, ()) == ours.sample(ids, False, greedy, ())
    warm = Sampling(tokens=8, temperature=1.0, samples=3, rows=2)
    [texts] = theirs.sample(ids, True, warm, ("\n",))
    assert len(texts) == 3
    assert [texts] == theirs.sample(ids, True, warm, ("\n",))


def test_a_directory_without_a_tokenizer_is_refused(folder: str, tmp_path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"has no tokenizer\.json"):
        open_model(str(tmp_path / "copy"), None)
    with pytest.raises(UsageError, match=r"--step: .* has one checkpoint"):
        open_model(folder, 3)
