"""The section of the report that a mixture fills: how often it shows each component."""

from typing import Any

from manifests import drawing, figures
from manifests.drawing import PALETTE, Bar
from manifests.html import details, figure, section
from manifests.mixture import mixture_table
from manifests.mixture_file import load_mixture

BARS = 25
"""Components drawn one by one, those with most tokens of the mixture; the table has every one."""


def mixture(path: str) -> str:
    """Draw the epochs and the shares that a mixture gives its components.

    Raises:
        BadCall, BadData: as `load_mixture` and `mixture_table` do.
    """
    rows = sorted(
        mixture_table(load_mixture(path)), key=lambda row: (-row["got"], row["component"])
    )
    groups = list(dict.fromkeys(sorted(row["group"] for row in rows)))
    color = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(groups)}
    seen = sum(row["tokens"] * row["epochs"] for row in rows)
    return section(
        "The mixture",
        f"{path.rsplit('/', 1)[-1]}: {figures.short_count(seen)} tokens to train on, the end of "
        "each document counted. How often it sees each component, and what share of it that is, "
        "the largest share first; one color a group.",
        figure(drawing.bars("Epochs of components", [_epochs(row, color) for row in rows[:BARS]])),
        details(f"Every component ({len(rows)})", HEAD, [_cells(row) for row in rows], words=2),
    )


HEAD = ["component", "group", "tokens there", "share asked", "share got", "epochs"]


def _epochs(row: dict[str, Any], color: dict[str, str]) -> Bar:
    text = f"{row['epochs']:.2f} epochs, {figures.share(row['got'], 1)}"
    return Bar(row["component"], row["epochs"], text, color[row["group"]])


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["component"],
        row["group"],
        figures.count(row["tokens"]),
        figures.share(row["asked"], 1),
        figures.share(row["got"], 1),
        f"{row['epochs']:.2f}",
    ]
