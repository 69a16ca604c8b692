"""Files of The Stack v3: rows of repositories with nested files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FILE = pa.struct(
    [
        ("content_id", pa.string()),
        ("content", pa.string()),
        ("size_bytes", pa.int32()),
        ("file_path", pa.string()),
        ("file_timestamp", pa.int64()),
        ("language", pa.string()),
        ("is_vendor", pa.bool_()),
        ("license_type", pa.string()),
        ("detected_licenses", pa.list_(pa.string())),
    ]
)
METADATA = pa.struct(
    [
        *[(name, pa.string()) for name in ("branch", "repo_created_at", "forked_from")],
        *[(name, pa.bool_()) for name in ("is_fork", "is_org_owned")],
        *[(name, pa.int32()) for name in ("commit_count", "stars", "forks", "issues")],
        ("pull_requests", pa.int32()),
    ]
)
SCHEMA = pa.schema(
    [
        ("repo_path", pa.string()),
        ("repo_id", pa.int64()),
        ("commit_id", pa.string()),
        ("github_metadata", METADATA),
        ("num_files", pa.int64()),
        ("files", pa.list_(FILE)),
    ]
)


def file(content: str | None, path: str = "a.py", **fields: Any) -> dict[str, Any]:
    """Return an element of `files`."""
    row = {
        "content_id": "0" * 40,
        "content": content,
        "size_bytes": len((content or "").encode()),
        "file_path": path,
        "language": "Python",
        "is_vendor": False,
        "license_type": "permissive",
        "detected_licenses": ["MIT"],
    }
    return row | fields


def repository(name: str, files: list[dict[str, Any]] | None, stars: int = 3) -> dict[str, Any]:
    """Return a row."""
    return {"repo_path": name, "github_metadata": {"stars": stars}, "files": files}


def write_file(path: Path, rows: list[dict[str, Any]], group: int = 100) -> None:
    """Write rows as a file with row groups of `group` rows."""
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, row_group_size=group)


def write(path: Path, rows: list[dict[str, Any]], group: int = 100) -> str:
    """Write rows as a file in a directory, and return its path."""
    url = path / "part-00000-c000.snappy.parquet"
    write_file(url, rows, group)
    return str(url)


ROWS = [
    repository("a/b", [file("x = 1\n"), file("y\n", "v/b.c", language="C", is_vendor=True)]),
    repository("c/none", []),
    repository("c/null", None),
    repository("d/e", [file(None), file("z = 1\n", license_type="no_license")], stars=9),
    repository("f/g", [file("w\n"), file("w\n"), file("w\n", "other.py"), file("v\n")]),
]
