"""Package files of a corpus say which lists of licenses are choices."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.corpus.source_table import Source
from pipelines.license_filter.job import run
from pipelines.license_filter.package_choices import make_table, package_inputs
from pipelines.license_filter.repository_licenses import Repositories, load_table
from pipelines.preparation import load_preparation
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack, write_starcoderdata

DUAL = ["BSD-3-Clause", "GPL-2.0"]
CHOICE = "BSD-3-Clause OR GPL-2.0-only"

CORPUS = """
[[source]]
name = "stack"
kind = "the-stack"
files = "stack/*/*.parquet"
components = ["Python"]
[[source]]
name = "star"
kind = "starcoderdata"
files = "star/*/*.parquet"
license = { missing = "reject", repositories = "stack" }
[tokenize]
tokenizer = { train = 700 }
"""


def package(repository: str, license: str, path: str = "package.json") -> dict[str, Any]:
    text = json.dumps({"name": "a", "license": license})
    return stack_row(text, DUAL, repository=repository, path=path, lang="JSON")


def write(path: Path, *rows: dict[str, Any], language: str = "json", name: str = "a") -> None:
    write_stack(path / f"stack/{language}/{name}.parquet", list(rows), group=2)


def table_of(path: Path) -> Repositories:
    pattern = str(path / "stack/*/*.parquet")
    source = Source.model_validate({"name": "stack", "kind": "the-stack", "files": pattern})
    table = make_table(str(path / "out"), source)
    assert table is not None and make_table(str(path / "out"), source) == table
    return load_table(table)


def decisions(path: Path) -> dict[str, list[tuple[str | None, str | None]]]:
    """Run the first job; return component -> (rule, license) of its rows."""
    (path / "CORPUS.toml").write_text(CORPUS)
    runner = Runner(options=("--direct_num_workers=1",))
    preparation = load_preparation(str(path / "CORPUS.toml"), runner=runner)
    run(preparation)
    result: dict[str, list[tuple[str | None, str | None]]] = {}
    for file in sorted((Path(preparation.license_filter) / "decisions").glob("*.parquet")):
        for row in pq.read_table(file).to_pylist():
            fate = row["rule"], row["evidence"]["license"]
            result.setdefault(row["component"], []).append(fate)
    return result


def test_repositories_whose_root_states_a_choice_are_known(tmp_path: Path) -> None:
    write(
        tmp_path,
        package("a/dual", "(BSD-3-Clause OR GPL-2.0)"),
        package("a/dual", "ISC", "sub/package.json"),
        package("a/plain", "MIT"),
        package("a/vendor", "MIT OR GPL-2.0", "lib/package.json"),
        package("a/text", "MIT OR GPL-2.0", "other.json"),
    )
    table = table_of(tmp_path)
    assert table.known_sets(["A/Dual"]) == [["*/ISC", CHOICE]]
    assert table.known_sets(["a/plain", "a/vendor", "a/text"]) == []


def test_each_repository_of_a_row_has_its_own_path(tmp_path: Path) -> None:
    write(tmp_path, package("a/root", "MIT OR ISC") | {"max_forks_repo_name": "b/sub"})
    path = tmp_path / "stack/json/a.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("max_forks_repo_path", [["vendor/package.json"]]), path)
    known = table_of(tmp_path)
    assert known.known_sets(["a/root"]) == [["MIT OR ISC"]]
    assert known.known_sets(["b/sub"]) == []


def test_only_inputs_of_json_toml_and_ini_are_read(tmp_path: Path) -> None:
    for language in ("json", "toml", "ini", "python"):
        write(tmp_path, package("a/b", "MIT"), language=language)
    pattern = str(tmp_path / "stack/*/*.parquet")
    source = Source.model_validate({"name": "s", "kind": "the-stack", "files": pattern})
    assert [Path(url).parent.name for url in package_inputs(source)] == ["ini", "json", "toml"]
    own = Source.model_validate({"name": "s", "kind": "parquet", "files": pattern})
    assert package_inputs(own) == [] and make_table(str(tmp_path), own) is None


def test_an_input_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, package("a/b", "MIT OR ISC"))
    (tmp_path / "stack/json/bad.parquet").write_bytes(b"no Parquet")
    assert table_of(tmp_path).known_sets(["a/b"]) == [["MIT OR ISC"]]


def test_files_of_a_repository_with_a_choice_are_kept(tmp_path: Path) -> None:
    write(
        tmp_path,
        package("a/dual", "(BSD-3-Clause OR GPL-2.0)"),
        package("a/more", "BSD-3-Clause OR GPL-2.0"),
        package("a/copied", "BSD-3-Clause OR GPL-2.0"),
        package("a/copied", "GPL-2.0-only", "vendor/package.json"),
        package("a/mit", "MIT"),
    )
    names = ("a/dual", "a/copied", "a/mit", "a/none")
    forked = stack_row(code(9), DUAL, repository="a/dual") | {"max_forks_repo_name": "b/fork"}
    header = f"# SPDX-License-Identifier: GPL-2.0-only\n{code(10)}"
    rows = [stack_row(code(number), DUAL, repository=name) for number, name in enumerate(names)]
    rows += [forked, stack_row(header, DUAL, repository="a/dual")]
    rows.append(stack_row(code(11), [*DUAL, "MPL-2.0"], repository="a/more"))
    write(tmp_path, *rows, language="python")
    texts = [(code(21), "a/dual"), (code(22), "a/mit")]
    write_starcoderdata(tmp_path / "star/python/a.parquet", texts)
    denied = "license_denied"
    fates = decisions(tmp_path)
    assert fates["stack/python"] == [
        (None, CHOICE),
        (denied, f"({CHOICE}) AND GPL-2.0-only"),
        *[(denied, "BSD-3-Clause AND GPL-2.0-only")] * 3,
        (denied, "GPL-2.0-only"),
        (denied, f"MPL-2.0 AND ({CHOICE})"),
    ]
    assert fates["star/python"] == [(None, CHOICE), (denied, "BSD-3-Clause AND GPL-2.0-only")]
