import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import DataError
from manifests.io import files, object_store
from manifests.io.parquet import (
    ParquetReader,
    open_parquet,
    parse_table,
    read_row,
    read_table,
    write_table,
)

ROOT = Path(__file__).parents[3]

HELD_BYTES = """
import sys, threading, time
from manifests.io import parquet

held = threading.Event()

class Held(bytes):
    def __del__(self):
        if isinstance(threading.current_thread(), threading._DummyThread):
            held.set()
            time.sleep(2)  # the interpreter ends meanwhile

content = open(sys.argv[1], "rb").read()
sys.setswitchinterval(1)  # a thread of Arrow waits while the main thread drops its reference
for _ in range(200):
    assert parquet.parse_table(Held(content)).num_rows == 2
    if held.wait(0.001):
        break
"""

STORE = """
import sys, threading
import fsspec
from manifests.io import parquet

content = open(sys.argv[1], "rb").read()

class Store(fsspec.AbstractFileSystem):
    def info(self, path, **_):
        return {"name": path, "size": len(content), "type": "file"}

    def cat_file(self, path, start=None, end=None, **_):
        assert threading.current_thread() is threading.main_thread()
        return content[start:end]

fsspec.register_implementation("store", Store)
assert parquet.read_table("store://table.parquet", ["a", "b"]).num_rows == 2
"""

LOCAL_FILE = """
import sys
from manifests.io import parquet

opened_by_python = []
sys.addaudithook(lambda name, values: name == "open" and opened_by_python.append(values[0]))
assert parquet.read_table(sys.argv[1], ["a", "b"]).num_rows == 2
assert sys.argv[1] not in opened_by_python
"""


@pytest.mark.parametrize(
    "program", [HELD_BYTES, STORE, LOCAL_FILE], ids=["bytes", "store", "local file"]
)
def test_no_thread_of_arrow_holds_a_python_object_when_the_interpreter_ends(program, tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": ["c", "d"]}), path)
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_this_module_hands_files_and_bytes_to_the_parquet_reader():
    packages = ("filters", "manifests", "objectives", "pipelines", "trainer")
    reads = re.compile(r"pq\.(read_|ParquetFile|ParquetDataset)|BufferReader|pyarrow\.dataset")
    readers = [
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if reads.search(path.read_text())
    ]
    assert readers == ["manifests/io/parquet.py"]


def test_columns_come_in_the_order_asked_for(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": [3, 4], "c": [5, 6]}), path)
    columns = ["c", "a"]
    expected = pa.table({"c": [5, 6], "a": [1, 2]})
    assert read_table(str(path), columns).equals(expected)
    assert parse_table(path.read_bytes(), columns).equals(expected)
    with open_parquet(str(path)) as file:
        assert file.read_row_group(0, columns).equals(expected)


def test_a_store_is_asked_for_the_bytes_of_the_columns_alone(monkeypatch):
    url, requested, read_range = "memory://parquet/table.parquet", [], object_store.read_range
    random = np.random.default_rng(0)
    columns = {"a": np.arange(40), "b": [random.bytes(20_000) for _ in range(40)]}
    write_table(url, pa.table(columns), row_group_size=10)

    def noted(url, start, size):
        requested.append(size)
        return read_range(url, start, size)

    monkeypatch.setattr(object_store, "read_range", noted)
    assert read_table(url, ["a"])["a"].to_pylist() == list(range(40))
    assert sum(requested) < 0.1 * files.size(url)
    requested.clear()
    assert read_table(url).num_rows == 40
    assert sum(requested) < 1.1 * files.size(url)


def test_a_row_is_read_from_its_row_group_alone(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": np.arange(25), "b": np.arange(25) * 2}), path, row_group_size=10)
    groups, read = [], ParquetReader.read_row_group

    def noted(file, group, columns=None):
        groups.append(group)
        return read(file, group, columns)

    monkeypatch.setattr(ParquetReader, "read_row_group", noted)
    for row in (0, 9, 10, 24):
        assert read_row(str(path), row) == {"a": row, "b": 2 * row}
    assert groups == [0, 0, 1, 2]
    assert read_row(str(path), 24, ["b"]) == {"b": 48}
    for row in (-1, 25):
        with pytest.raises(DataError, match=f"{path}: has no row {row}, only 25"):
            read_row(str(path), row)


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"not Parquet at all"])
def test_a_missing_or_damaged_file_is_a_fault_of_the_data(tmp_path, content):
    path = tmp_path / "table.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}: "):
        read_table(str(path))
