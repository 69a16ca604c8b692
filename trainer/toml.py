"""A config as TOML: what `tomllib` reads back to the same values."""

import json
from typing import Any


def to_toml(table: dict[str, Any], name: str = "") -> str:
    """Return a config's fields as TOML; those that are None are left out."""
    values = {k: v for k, v in table.items() if v is not None and not isinstance(v, dict)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in values.items()]
    text = (f"[{name}]\n" if name and lines else "") + "".join(f"{line}\n" for line in lines)
    for key, value in table.items():
        if isinstance(value, dict):
            text += "\n" + to_toml(value, f"{name}.{key}" if name else key)
    return text


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    # TOML writes booleans, numbers and strings as JSON does.
    return json.dumps(value)
