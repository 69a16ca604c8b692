from pathlib import Path

import pytest

from pipelines.corpus.inputs import list_ranges
from pipelines.corpus.loading import load_corpus


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_name_of_an_input_does_not_depend_on_the_place_of_its_source(
    tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.jsonl").write_text("{}\n")
    corpus = tmp_path / "CORPUS.toml"
    source = f'[[source]]\nname = "a"\nkind = "jsonl"\nfiles = "{scheme}{tmp_path}/**/*.jsonl"\n'
    corpus.write_text(source)
    (unit,) = list_ranges(load_corpus(str(corpus)))
    assert unit.input == "deep/a.jsonl"
