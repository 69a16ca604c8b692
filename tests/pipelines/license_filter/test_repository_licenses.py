from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import UsageError
from manifests.io import files
from pipelines.corpus.loading import load_corpus
from pipelines.corpus.source_table import Source
from pipelines.license_filter.job import run
from pipelines.license_filter.repository_licenses import (
    add_repository_licenses,
    load_table,
    make_table,
    repository_hash,
    table_name,
)
from pipelines.preparation import load_preparation
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack, write_starcoderdata

CORPUS = """
[[source]]
name = "stack"
kind = "the-stack"
files = "stack/*/*.parquet"
[[source]]
name = "star"
kind = "starcoderdata"
files = "star/*/*.parquet"
license = { missing = "reject", repositories = "stack" }
[tokenize]
tokenizer = { train = 700 }
"""


def source(path: Path) -> Source:
    pattern = str(path / "stack/*/*.parquet")
    return Source.model_validate({"name": "stack", "kind": "the-stack", "files": pattern})


def write(path: Path, *pairs: tuple[str, list[str] | None], name: str = "a") -> None:
    rows = [
        stack_row(code(i), licenses, repository=repo) for i, (repo, licenses) in enumerate(pairs)
    ]
    write_stack(path / f"stack/python/{name}.parquet", rows, group=2)


def test_what_repositories_are_licensed_under(tmp_path: Path) -> None:
    write(tmp_path, ("a/b", ["MIT"]), ("c/d", ["GPL-3.0-only"]), ("e/f", None), ("c/d", ["MIT"]))
    write(tmp_path, ("A/B", ["MIT"]), ("g/h", ["ISC", "MIT"]), ("e/f", ["ISC"]), name="b")
    table = load_table(make_table(str(tmp_path / "out"), source(tmp_path)))
    assert isinstance(table.hashes, np.memmap)
    assert np.all(table.hashes[1:] > table.hashes[:-1])
    assert table.licenses(["a/b"]) == ["MIT"]
    assert table.licenses(["A/b"]) == ["MIT"]
    assert table.licenses(["c/d"]) == ["GPL-3.0-only", "MIT"]
    assert table.licenses(["e/f"]) == ["ISC"]
    assert table.licenses(["g/h", "c/d"]) == ["GPL-3.0-only", "ISC", "MIT"]
    assert table.licenses(["nobody/knows"]) is None
    assert table.licenses([]) is None


def test_every_repository_of_a_row_counts_with_its_own_list(tmp_path: Path) -> None:
    row = stack_row(code(1), ["MIT"], repository="a/b")
    row |= {"max_forks_repo_name": "c/d", "max_forks_repo_licenses": ["ISC"]}
    write_stack(tmp_path / "stack/python/a.parquet", [row])
    table = load_table(make_table(str(tmp_path / "out"), source(tmp_path)))
    assert (table.licenses(["a/b"]), table.licenses(["c/d"])) == (["MIT"], ["ISC"])


def test_made_once_and_again_when_an_input_changes(tmp_path: Path) -> None:
    write(tmp_path, ("a/b", ["MIT"]))
    base = make_table(str(tmp_path / "out"), source(tmp_path))
    before = Path(base, "hashes.npy").stat().st_mtime_ns
    assert make_table(str(tmp_path / "out"), source(tmp_path)) == base
    assert Path(base, "hashes.npy").stat().st_mtime_ns == before
    urls = files.glob(source(tmp_path).files)
    name = table_name(urls)
    write(tmp_path, ("a/b", ["ISC"]), ("c/d", ["MIT"]))
    assert table_name(urls) != name


def test_an_empty_table_and_an_input_that_is_none(tmp_path: Path) -> None:
    write(tmp_path, ("a/b", None))
    (tmp_path / "stack/python/bad.parquet").write_bytes(b"no Parquet")
    table = load_table(make_table(str(tmp_path / "out"), source(tmp_path)))
    assert table.licenses(["a/b"]) is None


def test_a_hash_is_the_same_everywhere() -> None:
    assert repository_hash("Owner/Repo") == repository_hash("owner/repo") == 8195662834928352724


def test_starcoderdatas_documents_have_the_licenses_of_the_stack(tmp_path: Path) -> None:
    write(tmp_path, ("a/b", ["MIT"]), ("c/d", ["GPL-3.0-only"]))
    texts = [(code(11), "a/b"), (code(12), "c/d"), (code(13), "nobody/knows")]
    write_starcoderdata(tmp_path / "star/python/a.parquet", texts)
    (tmp_path / "CORPUS.toml").write_text(CORPUS)
    runner = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(str(tmp_path / "CORPUS.toml"), runner=runner)
    run(preparation)
    directory = Path(preparation.license_filter)
    tables = [pq.read_table(path) for path in (directory / "decisions").glob("*.parquet")]
    (star,) = [t for t in tables if t["component"][0].as_py() == "star/python"]
    evidence = star["evidence"].to_pylist()
    assert star["rule"].to_pylist() == [None, "license_denied", "license_unknown"]
    assert [item["license"] for item in evidence] == ["MIT", "GPL-3.0-only", None]
    assert [item["layer"] for item in evidence] == ["repository", "repository", "source"]


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "CORPUS.toml"
    path.write_text(CORPUS.replace('repositories = "stack"', 'repositories = "star"'))
    message = "'star' is not a source with licenses of repositories; such sources: stack"
    with pytest.raises(UsageError, match=message):
        load_corpus(str(path))


def test_what_a_row_says_itself_comes_before_the_table(tmp_path: Path) -> None:
    write(tmp_path, ("a/b", ["MIT"]))
    known = load_table(make_table(str(tmp_path / "out"), source(tmp_path)))
    columns = {"licenses": [["ISC"], None, []], "repositories": [["a/b"], ["a/b"], ["c/d"]]}
    rows = add_repository_licenses(pa.table(columns), known)
    assert rows["licenses"].to_pylist() == [["ISC"], ["MIT"], None]
