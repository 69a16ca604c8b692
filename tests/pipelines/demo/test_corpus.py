"""The demo's corpus: a small environment of packages becomes the three public layouts."""

import io
import json
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from manifests import components
from manifests.errors import UsageError
from pipelines.corpus.loading import load_corpus
from pipelines.demo.corpus import MTIME, write_corpus
from pipelines.demo.packages import LANGUAGES, declared_licenses, hash64
from pipelines.sources.starcoder_tags import split_prefix

MODULE = '''"""What module {n} of {name} is for.

{prose}
"""


def function_{n}(argument):
    """Do what {name} does, number {n}.

    {prose}
    """
    return argument * {n} + len("{salt}")
'''
PROSE = "It takes what it is given and returns it, changed as its name says. " * 6


def install(site: Path, name: str, metadata: str, files: dict[str, str]) -> None:
    """Write an installed package as pip would."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    text = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}\n"
    contents = {f"{info.name}/METADATA": text, **files}
    for path, content in contents.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in contents))


def modules(name: str, count: int) -> dict[str, str]:
    return {
        f"{name}/m{n}.py": MODULE.format(n=n, name=name, prose=PROSE, salt=hash64(name, str(n)))
        for n in range(count)
    }


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install three packages, one of them under a license that is rejected."""
    site = tmp_path / "site"
    readme = f"\n\n# A package\n\n{PROSE * 3}"
    url = "Project-URL: Source, https://github.com/some/where.git"
    install(site, "mit_thing", f"License-Expression: MIT\n{url}{readme}", modules("mit_thing", 60))
    install(site, "free_thing", f"License: GPL-3.0-or-later{readme}", modules("free_thing", 20))
    install(site, "quiet", "License: none of your business", {"quiet.py": "x = 1\n" * 40})
    (site / "mit_thing/m3.py").write_bytes(b"\xff\xfe not UTF-8" * 9)
    installed: list[Distribution] = [PathDistribution(p) for p in sorted(site.glob("*.dist-info"))]
    monkeypatch.setattr("pipelines.demo.corpus.distributions", lambda: installed)
    return site


@pytest.fixture
def demo(site: Path, tmp_path: Path) -> Path:
    write_corpus(str(tmp_path / "demo"), megabytes=1)
    return tmp_path / "demo"


def contents(directory: Path) -> dict[str, tuple[bytes, float]]:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime)
        for path in paths
        if path.name != "GATHERED.json"
    }


def rows(directory: Path, pattern: str) -> list[dict[str, Any]]:
    paths = sorted(directory.glob(pattern))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def lines(path: Path) -> list[dict[str, Any]]:
    text = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read().decode()
    return [json.loads(line) for line in io.StringIO(text)]


def test_rows_of_the_stack_name_the_repository_and_its_licenses(demo: Path):
    python = rows(demo, "data/stack/data/python/*.parquet")
    names = {row["max_stars_repo_name"]: row["max_stars_repo_licenses"] for row in python}
    assert names["some/where"] == ["MIT"]
    assert names["pypi/free-thing"] == ["GPL-3.0-or-later"]
    assert {row["lang"] for row in python} == {"Python"}


def test_a_file_that_is_not_utf8_is_left_out(demo: Path):
    python = rows(demo, "data/stack/data/python/*.parquet")
    assert not any(row["max_stars_repo_path"] == "mit_thing/m3.py" for row in python)


def test_starcoderdata_is_permissive_and_some_of_it_has_a_prefix(demo: Path):
    python = rows(demo, "data/starcoderdata/python/*.parquet")
    assert {row["max_stars_repo_name"] for row in python} == {"some/where"}
    texts = [row["content"] for row in python]
    with_prefix = [text for text in texts if text.startswith("<")]
    assert 0 < len(with_prefix) < len(texts)
    stack = {row["content"] for row in rows(demo, "data/stack/**/*.parquet")}
    columns = ("content", "max_stars_repo_name", "max_stars_repo_path", "max_stars_count")
    without_prefix = {split_prefix(*(row[name] for name in columns)).text for row in python}
    assert without_prefix & stack
    assert without_prefix - stack


def test_the_pile_has_prose_under_names_of_its_sets(demo: Path):
    paths = sorted(demo.glob("data/pile/train/*.jsonl.zst"))
    sets = {line["meta"]["pile_set_name"] for path in paths for line in lines(path)}
    assert sets == {"Pile-CC", "StackExchange"}
    assert {components.slug(name) for name in sets} <= set(components.table().pile_epochs)


def test_every_language_is_one_of_the_stack():
    known = components.table().languages
    for language, directory in LANGUAGES.values():
        assert components.slug(language) == directory
        assert directory in known


def test_the_corpus_file_is_one_that_prepare_takes(demo: Path):
    corpus = load_corpus(str(demo / "CORPUS.toml"))
    assert [source.kind for source in corpus.source] == ["the-stack", "starcoderdata", "the-pile"]


def test_two_demos_have_the_same_bytes_and_times(demo: Path, tmp_path: Path):
    write_corpus(str(tmp_path / "another"), megabytes=1)
    first = contents(demo)
    assert contents(tmp_path / "another") == first
    assert {time for _, time in first.values()} == {MTIME}


def test_a_second_run_returns_the_same_counts_and_writes_nothing(demo: Path):
    receipt = demo / "data/GATHERED.json"
    counts = json.loads(receipt.read_text())["counts"]
    (demo / "CORPUS.toml").write_text("# edited\n")
    assert write_corpus(str(demo), megabytes=1) == counts
    assert (demo / "CORPUS.toml").read_text() == "# edited\n"


def test_the_corpus_of_another_environment_is_refused(demo: Path, site: Path):
    before = contents(demo)
    metadata = site / "quiet-1.0.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    with pytest.raises(UsageError, match="other packages"):
        write_corpus(str(demo), megabytes=1)
    assert contents(demo) == before


@pytest.mark.parametrize(
    ("metadata", "licenses"),
    [
        (
            "License-Expression: MIT AND (Apache-2.0 OR BSD-2-Clause)",
            ("MIT", "Apache-2.0", "BSD-2-Clause"),
        ),
        ("License-Expression: Apache-2.0 WITH LLVM-exception", ("Apache-2.0 WITH LLVM-exception",)),
        ("License: MPL-2.0", ("MPL-2.0",)),
        ("License: Dual License\nClassifier: License :: OSI Approved :: MIT License", ("MIT",)),
        ("Classifier: License :: OSI Approved :: BSD License", ()),
    ],
)
def test_licenses_come_from_the_metadata(tmp_path: Path, metadata: str, licenses: tuple[str, ...]):
    install(tmp_path, "thing", metadata, {})
    distribution = PathDistribution(tmp_path / "thing-1.0.dist-info")
    assert declared_licenses(distribution) == licenses
