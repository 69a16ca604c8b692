"""The plan names the sets of a data set of which no document will be kept."""

from pathlib import Path

import pytest

from pipelines.corpus.loading import load_corpus
from pipelines.inspect.plan import plan, plan_table
from tests.corpora import code, write_pile, write_starcoderdata
from tests.outputs import printed

PILE = """
[[source]]
name = "pile"
kind = "the-pile"
files = "pile/*.jsonl.zst"
license = { missing = "MISSING" }
"""
STAR = """
[[source]]
name = "star"
kind = "starcoderdata"
files = "star/*/*.parquet"
"""


def planned(path: Path, text: str) -> dict[str, dict[str, object]]:
    (path / "CORPUS.toml").write_text(text)
    return plan(load_corpus(str(path / "CORPUS.toml")))


def test_sets_of_the_pile_without_a_license_are_missing_if_they_are_rejected(
    tmp_path: Path,
) -> None:
    write_pile(tmp_path / "pile/00.jsonl.zst", [("a", "Wikipedia (en)")])
    assert planned(tmp_path, PILE.replace("MISSING", "accept"))["pile"]["missing"] is None
    sources = planned(tmp_path, PILE.replace("MISSING", "reject"))
    missing = sources["pile"]["missing"]
    assert isinstance(missing, dict)
    assert len(missing["sets"]) == 15 and missing["share"] == pytest.approx(1 - 0.2072, abs=1e-3)
    said = printed(plan_table(sources))
    assert "pile: 15 of the 22 sets of the Pile are missing, with 79.3 % of the weight" in said


def test_subsets_of_starcoderdata_without_files_are_missing(tmp_path: Path) -> None:
    write_starcoderdata(tmp_path / "star/python/a.parquet", [(code(1), "a/b")])
    missing = planned(tmp_path, STAR)["star"]["missing"]
    assert isinstance(missing, dict)
    assert missing["sets"] == ["github-issues", "git-commits", "jupyter"]
    chosen = planned(tmp_path, STAR + 'components = ["python"]\n')
    assert chosen["star"]["missing"] is None


def test_chosen_components_without_files_are_missing(tmp_path: Path) -> None:
    write_starcoderdata(tmp_path / "star/python/a.parquet", [(code(1), "a/b")])
    sources = planned(tmp_path, STAR + 'components = ["Python", "C#", "Dart"]\n')
    missing = "2 of the 3 sets of the source star (`components` of CORPUS.toml) are missing"
    assert f"star: {missing}: c-sharp, dart" in printed(plan_table(sources))


def test_a_chosen_component_of_inputs_of_any_component_is_not_missing(tmp_path: Path) -> None:
    write_pile(tmp_path / "pile/00.jsonl.zst", [("a", "Wikipedia (en)")])
    text = PILE.replace("MISSING", "accept") + 'components = ["Pile-CC"]\n'
    assert planned(tmp_path, text)["pile"]["missing"] is None
