from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.licenses.policy import load_policy
from filters.scancode.client import Answer
from filters.scancode.server import GIVEN_UP
from manifests.lineage.manifest import load_manifest
from pipelines.license_filter.header_veto import read_headers
from pipelines.license_filter.job import run
from pipelines.preparation import load_preparation
from pipelines.runtime.runners import Runner
from tests.corpora import WORDS, code, stack_row, write_stack

GPL = "# Made up for a test; it is released under the terms of the GNU GPL, version 3.\n"
MIT = "# SPDX-License-Identifier: MIT\n"
TAG = "# SPDX-License-Identifier: GPL-2.0-only\n"

CORPUS = """
[[source]]
name = "stack"
kind = "the-stack"
files = "stack/*/*.parquet"
license = { header = "HEADER" }
[tokenize]
tokenizer = { train = 700 }
"""


def prepared(path: Path, header: str, out: str, workers: int = 1) -> Path:
    rows = [stack_row(text + code(i), ["MIT"]) for i, text in enumerate(["", GPL, MIT, TAG])]
    rows.append(stack_row(GPL + code(9), ["GPL-3.0-only"]))
    if not (path / "stack").exists():
        write_stack(path / "stack/python/a.parquet", rows)
        for number in range(4):
            words = WORDS[3 * number : 3 * number + 3]
            texts = [GPL.replace("terms", f"{word} terms") + code(number) for word in words]
            more = [stack_row(text, ["MIT"], lang="C", path="a.c") for text in texts]
            write_stack(path / f"stack/c/{number}.parquet", more)
    (path / "CORPUS.toml").write_text(CORPUS.replace("HEADER", header))
    runner = Runner(options=(f"--direct_num_workers={workers}",))
    preparation = load_preparation(str(path / "CORPUS.toml"), str(path / out), runner)
    run(preparation)
    return Path(preparation.license_filter)


def decisions(directory: Path) -> pa.Table:
    """Return those of the part of Python."""
    tables = [pq.read_table(path) for path in (directory / "decisions").glob("*.parquet")]
    (table,) = (table for table in tables if "stack/python" in table["component"].to_pylist())
    return table


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job's output from four workers, of texts that nobody asked about before."""
    return prepared(tmp_path_factory.mktemp("headers"), "veto", "cold", workers=4)


def test_workers_and_caches_change_no_byte(cold: Path) -> None:
    output = prepared(cold.parents[1], "veto", "warm", workers=1)
    assert (cold / "manifest.json").exists() and len(list((cold / "documents").iterdir())) == 5
    names = sorted(path.relative_to(cold) for path in cold.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(output) for path in output.rglob("*") if path.is_file())
    assert all((cold / name).read_bytes() == (output / name).read_bytes() for name in names)


def test_a_header_denies_what_its_repository_allows(cold: Path) -> None:
    table = decisions(cold)
    evidence = table["evidence"].to_pylist()
    denied = "license_denied"
    assert table["rule"].to_pylist() == [None, denied, None, denied, denied]
    layers = ["repository", "header", "repository", "header", "header"]
    assert [item["layer"] for item in evidence] == layers
    assert evidence[1]["license"].startswith("GPL-")
    assert evidence[1]["detail"].endswith(".RULE, lines 1-1")
    assert evidence[3]["license"] == "GPL-2.0-only"
    assert evidence[3]["detail"] == "SPDX-License-Identifier, lines 1-1"
    counts = load_manifest(str(cold)).counts["headers"]
    assert counts == {"denied": 15, "documents": 16, "texts": 13, "timed_out": 0}


def test_without_the_veto_texts_are_not_looked_at(tmp_path: Path) -> None:
    directory = prepared(tmp_path, "off", "out")
    table = decisions(directory)
    assert table["rule"].to_pylist() == [None, None, None, None, "license_denied"]
    assert load_manifest(str(directory)).counts == {}


class Slow:
    """A detector that gives every text up."""

    def detect(self, texts: list[bytes]) -> Answer:
        return Answer([None] * len(texts), 0, 0, len(texts))


def test_a_text_that_was_given_up_is_listed_and_counted() -> None:
    texts = pa.array([GPL, "x = 1", GPL], pa.large_string())
    wanted = np.array([True, True, False])
    headers = read_headers(texts, wanted, load_policy("strict"), Slow())  # type: ignore[arg-type]
    assert headers.findings == {}
    assert headers.details == {0: GIVEN_UP}
    assert headers.counts["headers"] == {"documents": 1, "texts": 1, "denied": 0, "timed_out": 1}


def test_no_rows() -> None:
    nothing = read_headers(
        pa.array([], pa.large_string()),
        np.array([], bool),
        load_policy("strict"),
        Slow(),  # type: ignore[arg-type]
    )
    assert nothing.findings == {}
