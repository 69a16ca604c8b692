from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import InputError
from pipelines.sources.the_stack_v2 import NOTICES, REFERENCE, TheStackV2, licenses

ROW = {
    "blob_id": "0" * 40,
    "content": "x = 1\n",
    "language": "C++",
    "path": "/src/a.cpp",
    "repo_name": "o/r",
    "detected_licenses": ["MIT", "LicenseRef-scancode-generic-cla"],
    "license_type": "permissive",
    "gha_license_id": None,
    "star_events_count": 7,
}


def write(path: Path, **changes: object) -> str:
    types = {"gha_license_id": pa.string(), "detected_licenses": pa.list_(pa.string())}
    row = {name: pa.array([value], types.get(name)) for name, value in {**ROW, **changes}.items()}
    pq.write_table(pa.table(row), path)
    return str(path)


def test_a_row_has_the_fields_of_its_columns(tmp_path: Path) -> None:
    url = write(tmp_path / "a.parquet")
    (unit,) = TheStackV2().cut(url)
    (part,) = TheStackV2().read(url, "data/C++/a.parquet", unit)
    assert part.rows.to_pylist() == [
        {
            "input_row": 0,
            "component": "cpp",
            "repositories": ["o/r"],
            "path": "/src/a.cpp",
            "licenses": ["MIT"],
            "stars": 7,
            "fault": None,
            "text": "x = 1\n",
            "prefix": None,
            "tags": None,
        }
    ]


def test_files_without_content_are_an_error(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path / "a.parquet")).drop_columns(["content"])
    pq.write_table(table, tmp_path / "b.parquet")
    with pytest.raises(InputError, match="'content' is missing"):
        TheStackV2().cut(str(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    ("kind", "github", "detected", "found"),
    [
        ("permissive", None, ["MIT", *sorted(NOTICES)], ["MIT"]),
        ("permissive", "Apache-2.0", ["MIT"], ["Apache-2.0", "MIT"]),
        ("permissive", "MIT", [], ["MIT"]),
        ("permissive", None, ["MIT", REFERENCE], ["MIT"]),
        ("non_permissive", None, [REFERENCE], [REFERENCE]),
        ("non_permissive", "NOASSERTION", [], ["NOASSERTION"]),
        ("non_permissive", "NOASSERTION", ["GPL-2.0-only"], ["GPL-2.0-only"]),
        ("no_license", None, [], None),
        ("no_license", None, sorted(NOTICES), None),
        (None, None, None, None),
        ("permissive", None, {"list": [{"item": "MIT"}]}, ["MIT"]),
    ],
)
def test_license_columns_are_judged_together(
    kind: str | None, github: str | None, detected: object, found: list[str] | None
) -> None:
    assert licenses(kind, github, detected) == found


def test_the_directory_of_a_file_names_its_component() -> None:
    assert TheStackV2().component_of_input("data/C++/a.parquet") == "cpp"
    assert TheStackV2().component_of_input("data/a.parquet") is None
