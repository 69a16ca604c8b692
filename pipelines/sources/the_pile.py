"""The Pile: jsonl.zst, one text and the name of its set a line."""

from typing import TYPE_CHECKING, Any

from filters.quality.batch import Genre
from pipelines.sources.jsonl_input import JsonLinesLayout
from pipelines.sources.rows import component_slug

if TYPE_CHECKING:
    from filters.licenses.policy import Finding


class ThePile(JsonLinesLayout):
    """Layout of the Pile: every file holds all sets, and a set is a component.

    Headers are not read by default: the sets are mostly prose, which may speak of a license without
    being under it. The Pile's authors did not redact personal data.
    """

    header = "off"

    def genre(self, component: str) -> Genre:
        """Return `code` for the set Github, `prose` for all others."""
        return "code" if component == "github" else "prose"

    def component_license(self, component: str) -> "Finding | None":
        """Return the license of a set (tables/pile-sets.toml of filters/licenses)."""
        from filters.licenses.pile_sets import set_finding

        return set_finding(component)

    def component_licenses_digest(self) -> str | None:
        """Return the digest of the table of sets."""
        from filters.licenses.pile_sets import sets_digest

        return sets_digest()

    def row(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a row; `meta` may be a dict or, in copies of the Pile, its repr."""
        component = component_slug(_set_name(record.get("meta")))
        return {"component": component, "text": record.get("text")}


def _set_name(meta: Any) -> str | None:
    """Return `pile_set_name` of a `meta`; None if it has none."""
    if isinstance(meta, dict):
        name = meta.get("pile_set_name")
        return name if isinstance(name, str) else None
    if isinstance(meta, str):
        _, _, rest = meta.partition("pile_set_name")
        quoted = rest.lstrip("'\": ")
        return quoted.partition("'" if "'" in quoted else '"')[0] or None
    return None
