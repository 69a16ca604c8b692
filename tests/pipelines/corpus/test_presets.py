"""Presets: each is a corpus that loads, and its comments agree with the tables."""

import re
from pathlib import Path

import pytest

from filters.licenses.pile_sets import pile_sets
from filters.quality import registry
from manifests.errors import UsageError
from manifests.mixture.published_sets import published_sets
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.loading import load_corpus
from pipelines.corpus.presets import PRESETS


def load(tmp_path: Path, name: str) -> Corpus:
    (tmp_path / "vocab.bpe").write_text("#version\n")
    (tmp_path / "CORPUS.toml").write_text(PRESETS.read(name))
    return load_corpus(str(tmp_path / "CORPUS.toml"))


@pytest.mark.parametrize("name", ["codegen2", "codegen2-mix", "codegen2.5"])
def test_a_preset_is_a_corpus_without_filters_that_names_its_sources(
    tmp_path: Path, name: str
) -> None:
    corpus = load(tmp_path, name)
    assert registry.settings(corpus.filters) == {}
    assert not any(source.redacts for source in corpus.source)
    assert "Published: " in PRESETS.comment(name)
    assert "arXiv\n2305.02309" in PRESETS.comment(name) or "arXiv 2305" in PRESETS.comment(name)


def test_there_are_three_presets() -> None:
    assert PRESETS.names() == ["codegen2", "codegen2-mix", "codegen2.5"]
    with pytest.raises(UsageError, match="there is no preset 'codegen3'; known are codegen2"):
        PRESETS.read("codegen3")


def test_codegen2_has_the_languages_of_the_model_card(tmp_path: Path) -> None:
    card = published_sets("codegen2")
    assert card is not None and len(card.shares) == 19
    for name in ("codegen2", "codegen2-mix"):
        chosen = load(tmp_path, name).named("the-stack").chosen
        assert sorted(chosen or ()) == sorted(card.shares)


def test_the_licenses_of_the_pile_are_stated_as_the_table_has_them(tmp_path: Path) -> None:
    pile = load(tmp_path, "codegen2-mix").named("the-pile")
    assert (pile.missing, pile.license.missing) == ("accept", "accept")
    stated = dict(re.findall(r"^  ([a-z0-9-]+) +(\S+)$", PRESETS.comment("codegen2-mix"), re.M))
    known = {name: row.license for name, row in pile_sets().items() if row.license}
    assert stated == known
    sets = published_sets("the-pile")
    assert sets is not None
    missing = sets.missing(known)
    assert missing is not None and len(missing["sets"]) == 15
    assert 1 - (missing["share"] or 0) == pytest.approx(0.207, abs=5e-4)
