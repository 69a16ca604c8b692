from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.headers.client import Answer
from filters.license_policy import load_policy
from manifests.manifest import load_manifest
from pipelines.headers import GIVEN_UP, read_headers
from pipelines.license_filter import run
from pipelines.preparation import load_preparation
from pipelines.runners import Runner
from tests.corpora import code, stack_row, write_stack

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


def prepared(path: Path, header: str, out: str) -> Path:
    rows = [stack_row(text + code(i), ["MIT"]) for i, text in enumerate(["", GPL, MIT, TAG])]
    rows.append(stack_row(GPL + code(9), ["GPL-3.0-only"]))
    if not (path / "stack").exists():
        write_stack(path / "stack/python/a.parquet", rows)
    (path / "CORPUS.toml").write_text(CORPUS.replace("HEADER", header))
    runner = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(str(path / "CORPUS.toml"), str(path / out), runner)
    run(preparation)
    return Path(preparation.license_filter)


def decisions(directory: Path) -> pa.Table:
    (path,) = (directory / "decisions").glob("*.parquet")
    return pq.read_table(path)


def test_a_header_denies_what_its_repository_allows(tmp_path: Path) -> None:
    cold = prepared(tmp_path, "veto", "cold")
    table = decisions(cold)
    evidence = table["evidence"].to_pylist()
    denied = "license_denied"
    assert table["rule"].to_pylist() == [None, denied, None, denied, denied]
    layers = ["repository", "header", "repository", "header", "header"]
    assert [each["layer"] for each in evidence] == layers
    assert evidence[1]["license"].startswith("GPL-")
    assert evidence[1]["detail"].endswith(".RULE, lines 1-1")
    assert evidence[3]["license"] == "GPL-2.0-only"
    assert evidence[3]["detail"] == "SPDX-License-Identifier, lines 1-1"
    counts = load_manifest(str(cold)).counts
    assert counts == {"headers": {"denied": 3, "documents": 4, "texts": 1, "timed_out": 0}}
    warm = prepared(tmp_path, "veto", "warm")
    names = sorted(path.relative_to(cold) for path in cold.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(warm) for path in warm.rglob("*") if path.is_file())
    assert all((cold / name).read_bytes() == (warm / name).read_bytes() for name in names)


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
    found = read_headers(texts, wanted, load_policy("strict"), Slow())  # type: ignore[arg-type]
    assert found.findings == {}
    assert found.details == {0: GIVEN_UP}
    assert found.counts["headers"] == {"documents": 1, "texts": 1, "denied": 0, "timed_out": 1}


def test_no_rows() -> None:
    nothing = read_headers(
        pa.array([], pa.large_string()),
        np.array([], bool),
        load_policy("strict"),
        Slow(),  # type: ignore[arg-type]
    )
    assert nothing.findings == {}
