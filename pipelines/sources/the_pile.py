"""The Pile: jsonl.zst, a text and the name of its set a line."""

from typing import Any

from pipelines.sources.rows import clean_text, component_slug

REQUIRED = "text"


def component_of_input(path: str) -> str | None:
    """A file of the Pile holds every set."""
    return None


def refusal(path: str) -> str | None:
    """Return why a file is passed over; the Pile has no such files."""
    return None


def row(record: dict[str, Any]) -> dict[str, Any]:
    """Return a line as the fields of a row; `meta` may be a dict or, in copies, its repr."""
    text, fault = clean_text(record.get("text"))
    return {
        "component": component_slug(_set_name(record.get("meta"))),
        "repositories": [],
        "path": "",
        "licenses": None,
        "stars": None,
        "text": text,
        "fault": fault,
    }


def _set_name(meta: Any) -> str | None:
    if isinstance(meta, dict):
        name = meta.get("pile_set_name")
        return name if isinstance(name, str) else None
    if isinstance(meta, str):
        _, _, rest = meta.partition("pile_set_name")
        quoted = rest.lstrip("'\": ")
        return quoted.partition("'" if "'" in quoted else '"')[0] or None
    return None
