"""Reads TOML configs, checks them by pydantic models, and lists every fault."""

import difflib
import tomllib
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from manifests.errors import UsageError
from manifests.io import files

T = TypeVar("T", bound="Config")

LISTED_NAMES = 40
"""Maximum number of known names that an error lists."""


class Config(BaseModel):
    """Base of the models of TOML tables: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def load_config(path: str, model: type[T], overrides: Sequence[str] = ()) -> T:
    """Read a TOML file, apply `key.of.table=value` overrides, and check it against `model`.

    Args:
        path: a path or URL.
        model: the tables and keys.
        overrides: each replaces a value of the file.

    Raises:
        UsageError: the file cannot be read, is not TOML, or has faults; the message lists all.
    """
    try:
        with files.open_input(path) as source:
            table = tomllib.load(source)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory, not a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from None
    for override in overrides:
        _override(table, override)
    return parse_config(path, model, table)


def parse_config(path: str, model: type[T], table: dict[str, Any]) -> T:
    """Check the table that `path` contains; UsageError lists every fault."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        faults = [_sentence(model, fault) for fault in error.errors(include_url=False)]
        raise UsageError("\n".join(f"{path}: {fault}" for fault in faults)) from None


def shipped(directory: Path, name: str, what: str) -> str:
    """Return the path of a TOML file of the package by its name, or a given path.

    Args:
        directory: of the TOML files of the package.
        name: of a file of the package without `.toml`, or a path that ends with `.toml`.
        what: the kind of file, for the message.

    Raises:
        UsageError: the package has no file of that name.
    """
    if name.endswith(".toml"):
        return name
    known = sorted(path.stem for path in directory.glob("*.toml"))
    if name not in known:
        raise UsageError(
            f"there is no {what} {name!r}; known are {', '.join(known)}, or the path of a TOML file"
        )
    return str(directory / f"{name}.toml")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown name: the nearest known name, or some names."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
    return f"there are: {', '.join(names[:LISTED_NAMES])}{more}"


def _override(table: dict[str, Any], override: str) -> None:
    """Set the value of `key.of.table=value` in a table."""
    name, sign, text = override.partition("=")
    if not sign or not name:
        raise UsageError(f"{override!r}: an override is written key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = name.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise UsageError(f"{override!r}: {parent} is a value, not a table")
    table[last] = value


def _sentence(model: type[BaseModel], fault: Any) -> str:
    """Return a fault of pydantic as `key: message`."""
    keys = [part for part in fault["loc"] if not _is_tag(part)]
    name = _dotted(keys)
    if fault["type"] == "extra_forbidden":
        known = _keys_at(model, keys[:-1])
        return f"{name}: unknown key; {did_you_mean(str(keys[-1]), sorted(known))}"
    if fault["type"] == "missing":
        return f"{name}: is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if fault["type"] == "value_error" or isinstance(fault["input"], dict | list):
        return f"{name}: {message}" if name else message
    return f"{name}: {message} (it is {fault['input']!r})"


def _is_tag(part: int | str) -> bool:
    """Tell whether a part of a location names a type of a union instead of a key."""
    return isinstance(part, str) and ("[" in part or part[:1].isupper())


def _dotted(keys: Iterable[int | str]) -> str:
    """Return keys and indexes as `table.key[index]`."""
    name = ""
    for part in keys:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def _keys_at(model: type[BaseModel], keys: Sequence[int | str]) -> list[str]:
    """Return the keys that a table inside a model may have; aliases if fields have them."""
    models = [model]
    for part in keys:
        if isinstance(part, str):
            fields = [item for outer in models for item in outer.model_fields.items()]
            inner = [field.annotation for name, field in fields if part in (name, field.alias)]
            models = [model for annotation in inner for model in _models_in(annotation)]
    return [f.alias or n for m in models for n, f in m.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models among the types of an annotation."""
    arguments = typing.get_args(annotation)
    if not arguments and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in arguments for model in _models_in(argument)]
