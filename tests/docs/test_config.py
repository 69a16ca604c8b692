"""docs/config.md lists every key of every TOML file, from the models that check the files.

`python -m tests.docs.test_config` writes the page.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filters.dedup.minhash import Profile
from filters.licenses.policy import PolicyFile
from manifests.config import Config
from manifests.mixture.config import Mixture
from manifests.mixture.recipes import Recipe
from pipelines.corpus.corpus import Corpus
from pipelines.sources.registry import LAYOUTS
from trainer.config import RunConfig

PAGE = Path(__file__).parents[2] / "docs" / "config.md"

FILES: dict[str, tuple[type[Config], str]] = {
    "CORPUS.toml": (
        Corpus,
        "The commands that prepare a corpus read it.",
    ),
    "MIX.toml": (
        Mixture,
        "`stackpile mix` writes it; `stackpile preview`, `materialize` and `train` read it.",
    ),
    "RUN.toml": (RunConfig, "`stackpile train` reads it."),
    "License policy": (PolicyFile, "A file of filters/licenses/policies, or a path of your own."),
    "MinHash profile": (Profile, "A file of filters/dedup/profiles, or a path of your own."),
    "Recipe of a mixture": (Recipe, "A file of manifests/mixture/recipes, or a path of your own."),
}

HEAD = """\
# Config files

Every key of every TOML file. An unknown key is an error that names the nearest known key.
`python -m tests.docs.test_config` writes this page from the models that check the files.
"""


def page() -> str:
    """Return docs/config.md."""
    lines = [HEAD]
    for title, (model, readers) in FILES.items():
        schema = model.model_json_schema()
        lines += [f"## {title}", "", f"{_text(schema)} {readers}", ""]
        lines += _tables("", schema, schema.get("$defs", {}))
    return "\n".join(lines)


def _tables(
    heading: str, schema: dict[str, Any], defs: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield a table of the keys of a TOML table, then those of the tables below it."""
    if heading:
        yield from (f"### `{heading}`", "", _text(schema), "")
    yield from ("| key | values | default | meaning |", "|---|---|---|---|")
    below = []
    for key, field in schema["properties"].items():
        table = defs.get(next(_references(field), ""), {})
        if "properties" in table:
            name = (*path, key)
            many = field.get("type") == "array"
            below.append(("[[{}]]" if many else "[{}]", name, table))
        default = "required" if key in schema.get("required", []) else _value(field.get("default"))
        yield f"| `{key}` | {_values(field, defs)} | {default} | {_text(field)} |"
    yield ""
    for brackets, name, table in below:
        yield from _tables(brackets.format(".".join(name)), table, defs, name)


def _references(field: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the models that a field may hold."""
    if "$ref" in field:
        yield field["$ref"].rsplit("/", 1)[1]
    inner = [*field.get("anyOf", []), field.get("items"), field.get("additionalProperties")]
    for schema in inner:
        if isinstance(schema, dict):
            yield from _references(schema)


def _values(field: dict[str, Any], defs: dict[str, Any]) -> str:
    """Return the values that a field takes, as text."""
    match field:
        case {"anyOf": options}:
            inner = [_values(one, defs) for one in options if one.get("type") != "null"]
            text = " or ".join(dict.fromkeys(inner))
        case {"enum": values}:
            text = ", ".join(map(_value, values))
        case {"const": value}:
            text = _value(value)
        case {"$ref": reference}:
            model = defs[reference.rsplit("/", 1)[1]]
            text = "table" if "properties" in model else _values(model, defs)
        case {"prefixItems": items}:
            text = f"[{', '.join(_values(item, defs) for item in items)}]"
        case {"type": "array", "items": item}:
            text = f"list of {_values(item, defs)}"
        case {"additionalProperties": dict(values)}:
            text = f"table of {_values(values, defs)}"
        case _:
            text = field.get("type", "any") + _bounds(field)
    return text


def _bounds(field: dict[str, Any]) -> str:
    """Return the bounds of a number, as text."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {_number(field[key])}" for key, sign in signs.items() if key in field]
    return " " + ", ".join(bounds) if bounds else ""


def _number(number: float) -> str:
    """Return a bound as text; 2^63 and 2^32 as powers."""
    powers = {2.0**63: "2^63", 2.0**32: "2^32"}
    return powers.get(number, f"{number:,}".removesuffix(".0"))


def _value(value: object) -> str:
    """Return a value in TOML's notation; "" for a table or for no value."""
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _text(schema: dict[str, Any]) -> str:
    """Return a description in one line."""
    text: str = schema.get("description", "")
    return " ".join(text.split()).replace("|", "\\|")


def test_the_page_lists_every_key_of_every_file() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.docs.test_config`"


def test_every_kind_of_source_is_named_where_kinds_are_listed() -> None:
    texts = [PAGE.read_text(), (PAGE.parents[1] / "README.md").read_text()]
    assert [kind for kind in LAYOUTS for text in texts if f"`{kind}`" not in text] == []


def test_every_key_has_a_description() -> None:
    for title, (model, _) in FILES.items():
        schema = model.model_json_schema()
        for table in [schema, *schema.get("$defs", {}).values()]:
            for key, field in table.get("properties", {}).items():
                nested = next(_references(field), None)
                described = "description" in field or nested is not None
                assert described, f"{title}: {table['title']}.{key} has no docstring"


if __name__ == "__main__":
    PAGE.write_text(page())
