"""Section of the report about a mixture: shares and epochs of its components."""

from manifests.console import formatting
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import MixtureRow, mixture_table
from manifests.mixture.render import row_cells
from manifests.page import svg
from manifests.page.section import Section, Table
from manifests.page.svg import PALETTE, Bar

BARS = 25
"""Components with a bar of their own: those with the largest shares of the mixture."""


def mixture(path: str) -> Section:
    """Return the section of the epochs and shares that a mixture gives its components.

    Raises:
        UsageError, DataError: as `load_mixture` and `mixture_table` do.
    """
    table = mixture_table(load_mixture(path))
    rows = sorted(table, key=lambda row: (-row["share"], row["component"]))
    groups = sorted({row["group"] for row in rows})
    color = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(groups)}
    seen = sum(row["tokens"] * row["epochs"] for row in rows)
    return Section(
        "The mixture",
        f"{path.rsplit('/', 1)[-1]}: {formatting.short_count(seen)} tokens to train on, with one "
        "end token for each document. Epochs of each component and its share of the mixture, the "
        "largest share first. Each group has its own color.",
        [svg.bars("Epochs of components", [_epochs_bar(row, color) for row in rows[:BARS]])],
        [Table(HEAD, list(map(_cells, rows)), words=2, summary=f"Every component ({len(rows)})")],
    )


HEAD = ["component", "group", "tokens", "requested share", "share", "epochs"]


def _epochs_bar(row: MixtureRow, color: dict[str, str]) -> Bar:
    text = f"{row['epochs']:.2f} epochs, {formatting.share(row['share'], 1)}"
    return Bar(row["component"], row["epochs"], text, color[row["group"]])


def _cells(row: MixtureRow) -> list[str]:
    return [row["component"], row["group"], *row_cells(row)]
