"""Files of benchmarks: JSON lines, plain or gzip, checked line by line."""

import gzip
import json
import zlib
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from manifests.errors import DataError, UsageError
from manifests.io import files

Row = TypeVar("Row", bound=BaseModel)


def find_file(directory: str, name: str, task: str) -> str:
    """Return the path of a task's file in a directory, plain or with `.gz`.

    Raises:
        UsageError: the directory has neither.
    """
    for path in (files.join(directory, name), files.join(directory, f"{name}.gz")):
        if files.exists(path):
            return path
    raise UsageError(f"{directory}: has no {name}, which the task {task} needs")


def read_rows(path: str, row: type[Row]) -> list[Row]:
    """Read the rows of a file; keys that `row` does not have are ignored.

    Raises:
        DataError: a line is not such a row, or the file has no line.
    """
    data = files.read_bytes(path)
    if path.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise DataError(f"{path}: is not a whole gzip file") from None
    lines = [(n, line) for n, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
    if not lines:
        raise DataError(f"{path}: has no row")
    return [_parse(f"{path}: line {number}", line, row) for number, line in lines]


def read_object(path: str, data: bytes) -> dict[str, Any]:
    """Return the content of a file that an evaluation wrote; DataError if it is damaged."""
    try:
        content = json.loads(data)
        assert isinstance(content, dict)
    except (ValueError, AssertionError):
        raise DataError(f"{path}: is damaged; remove it, and run the same command") from None
    return content


def _parse(place: str, line: bytes, row: type[Row]) -> Row:
    try:
        return row.model_validate(json.loads(line))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(map(str, fault["loc"]))
        raise DataError(f"{place}: {name or 'the row'}: {fault['msg']}") from None
    except ValueError:
        raise DataError(f"{place} is not JSON") from None
