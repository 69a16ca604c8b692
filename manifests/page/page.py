"""Lay out sections as one HTML page that needs no other file."""

from collections.abc import Iterable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from manifests.page.section import Section


def render_page(
    name: str, about: str, lead: str, figures: Mapping[str, str], sections: Iterable[Section]
) -> str:
    """Return a page.

    Args:
        name: the heading.
        about: what the page says about `name`, for the title of the window.
        lead: a sentence below the heading.
        figures: label -> number, at the top of the page.
        sections: in their order.
    """
    environment = Environment(
        loader=PackageLoader("manifests.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("page.html").render(
        name=name,
        about=about,
        lead=lead,
        figures=figures,
        sections=list(sections),
    )
