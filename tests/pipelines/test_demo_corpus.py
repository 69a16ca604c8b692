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
from pipelines.corpus.corpus import load_corpus
from pipelines.demo import gather, layouts
from pipelines.demo.gather import MTIME
from pipelines.demo.licenses import declared_licenses
from pipelines.demo.packages import LANGUAGES, hash64
from pipelines.sources.starcoder_prefix import parse_prefix

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
    """An environment of three packages, one of them under a license that is rejected."""
    site = tmp_path / "site"
    readme = f"\n\n# A package\n\n{PROSE * 3}"
    url = "Project-URL: Source, https://github.com/some/where.git"
    install(site, "mit_thing", f"License-Expression: MIT\n{url}{readme}", modules("mit_thing", 60))
    install(site, "free_thing", f"License: GPL-3.0-or-later{readme}", modules("free_thing", 20))
    install(site, "quiet", "License: none of your business", {"quiet.py": "x = 1\n" * 40})
    (site / "mit_thing/m3.py").write_bytes(b"\xff\xfe not UTF-8" * 9)
    found: list[Distribution] = [PathDistribution(p) for p in sorted(site.glob("*.dist-info"))]
    monkeypatch.setattr("pipelines.demo.packages.distributions", lambda: found)
    return site


def contents(directory: Path) -> dict[str, tuple[bytes, float]]:
    files = [p for p in directory.rglob("*") if p.is_file() and p.name != "GATHERED.json"]
    return {str(p.relative_to(directory)): (p.read_bytes(), p.stat().st_mtime) for p in files}


def rows(directory: Path, pattern: str) -> list[dict[str, Any]]:
    return [row for p in sorted(directory.glob(pattern)) for row in pq.read_table(p).to_pylist()]


def lines(path: Path) -> list[dict[str, Any]]:
    text = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read().decode()
    return [json.loads(line) for line in io.StringIO(text)]


@pytest.fixture
def demo(site: Path, tmp_path: Path) -> Path:
    gather(str(tmp_path / "demo"), megabytes=1)
    return tmp_path / "demo"


def test_the_stack_rows_hold_what_the_hubs_columns_mean(demo: Path):
    found = rows(demo, "data/stack/data/python/train-00000-of-*.parquet")
    assert found
    for row in found:
        text = row["content"]
        assert row["size"] == len(text)
        assert row["avg_line_length"] == len(text) / len(text.split("\n"))
        assert row["max_line_length"] == max(len(line) for line in text.split("\n"))
        assert (row["lang"], row["ext"]) == ("Python", "py")
        assert row["max_issues_repo_licenses"] == row["max_stars_repo_licenses"]
    names = {row["max_stars_repo_name"]: row["max_stars_repo_licenses"] for row in found}
    assert names["some/where"] == ["MIT"]
    assert names["pypi/free-thing"] == ["GPL-3.0-or-later"]
    assert not any(row["max_stars_repo_path"] == "mit_thing/m3.py" for row in found)


def test_the_stack_has_its_29_columns():
    assert len(layouts.THE_STACK) == 29
    assert layouts.THE_STACK.names[4:11] == [
        "max_stars_repo_path",
        "max_stars_repo_name",
        "max_stars_repo_head_hexsha",
        "max_stars_repo_licenses",
        "max_stars_count",
        "max_stars_repo_stars_event_min_datetime",
        "max_stars_repo_stars_event_max_datetime",
    ]


def test_starcoderdata_is_permissive_and_half_of_it_has_a_prefix(demo: Path):
    found = rows(demo, "data/starcoderdata/python/*.parquet")
    assert {row["max_stars_repo_name"] for row in found} == {"some/where"}
    contents = [row["content"] for row in found]
    tagged = [content for content in contents if content.startswith("<")]
    assert 0 < len(tagged) < len(contents)
    stack = {row["content"] for row in rows(demo, "data/stack/**/*.parquet")}
    stripped = {parse_prefix(content).text for content in contents}
    assert stripped & stack
    assert stripped - stack


def test_the_pile_has_prose_under_names_of_its_sets(demo: Path):
    found = [
        line
        for name in ("train/00", "train/01", "val", "test")
        for line in lines(demo / f"data/pile/{name}.jsonl.zst")
    ]
    sets = {line["meta"]["pile_set_name"] for line in found}
    assert sets == {"Pile-CC", "StackExchange"}
    assert {components.slug(name) for name in sets} <= set(components.table().pile_epochs)


def test_every_language_is_one_of_the_stacks():
    known = components.table().languages
    for language, directory in LANGUAGES.values():
        assert components.slug(language) == directory
        assert directory in known


def test_the_corpus_file_is_one_that_prepare_takes(demo: Path):
    corpus = load_corpus(str(demo / "CORPUS.toml"))
    assert [source.kind for source in corpus.source] == ["the-stack", "starcoderdata", "the-pile"]


def test_two_demos_have_the_same_bytes_and_times(demo: Path, tmp_path: Path):
    gather(str(tmp_path / "another"), megabytes=1)
    first = contents(demo)
    assert contents(tmp_path / "another") == first
    assert {time for _, time in first.values()} == {MTIME}


def test_a_second_run_does_nothing_and_a_damaged_file_is_written_again(demo: Path):
    before = contents(demo)
    assert not gather(str(demo), megabytes=1).fresh
    damaged = demo / "data/pile/val.jsonl.zst"
    damaged.write_bytes(b"")
    assert gather(str(demo), megabytes=1).fresh
    assert contents(demo) == before


def test_the_corpus_of_another_environment_is_left_alone(demo: Path, site: Path):
    before = contents(demo)
    metadata = site / "quiet-1.0.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    with pytest.raises(UsageError, match="other packages"):
        gather(str(demo), megabytes=1)
    assert contents(demo) == before


@pytest.mark.parametrize(
    ("metadata", "licenses"),
    [
        (
            "License-Expression: MIT AND (Apache-2.0 OR BSD-2-Clause)",
            ("MIT", "Apache-2.0", "BSD-2-Clause"),
        ),
        ("License-Expression: Apache-2.0 WITH LLVM-exception", ("Apache-2.0 WITH LLVM-exception",)),
        ("License-Expression: LicenseRef-NVIDIA", ("LicenseRef-NVIDIA",)),
        ("License: MPL-2.0", ("MPL-2.0",)),
        ("License: Dual License\nClassifier: License :: OSI Approved :: MIT License", ("MIT",)),
        ("Classifier: License :: OSI Approved :: BSD License", ()),
    ],
)
def test_what_metadata_declare(tmp_path: Path, metadata: str, licenses: tuple[str, ...]):
    install(tmp_path, "thing", metadata, {})
    distribution = PathDistribution(tmp_path / "thing-1.0.dist-info")
    assert declared_licenses(distribution) == licenses


def test_a_license_file_is_recognized_where_metadata_leave_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []

    def recognized(text: str) -> str:
        seen.append(text)
        return "BSD-3-Clause"

    monkeypatch.setattr("pipelines.demo.licenses._recognized", recognized)
    text = {"thing-1.0.dist-info/LICENSE": "Redistribution and use ..."}
    install(tmp_path, "thing", "License: BSD", text)
    distribution = PathDistribution(tmp_path / "thing-1.0.dist-info")
    assert declared_licenses(distribution) == ("BSD-3-Clause",)
    assert seen == ["Redistribution and use ..."]
