"""The subcommands that look at data and mix it: inspect, verify, report, attribution, mix, ..."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from manifests.errors import DataError, UsageError

if TYPE_CHECKING:
    from manifests.verify.verify import Verified

Directory = Annotated[
    str, typer.Argument(metavar="DIR", help="An output (out/), or the directory of one step.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

FAULTS = 20
"""Faults that an error lists; --json has every one."""


def register(app: typer.Typer) -> None:
    """Add the subcommands of this package."""
    for command in (inspect, verify, diff, report, attribution, show, mix):
        app.command()(command)


def inspect(
    directory: Directory,
    *,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Show examples of what was rejected, and why.")
    ] = False,
    rule: Annotated[
        str | None, typer.Option("--rule", metavar="R", help="Only what this rule rejected.")
    ] = None,
    clusters: Annotated[
        bool, typer.Option("--clusters", help="Show clusters of near-duplicates side by side.")
    ] = False,
    number: Annotated[
        int | None, typer.Option("-n", min=1, help="Examples of each rule (5), or clusters (3).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is inside: totals, the funnel, the tokenizer, the chain of manifests."""
    from manifests.console.output import answer
    from manifests.lineage.chain import load_chain
    from pipelines.inspect import rejected as rejecting
    from pipelines.inspect import summary as inspecting

    if not rejected and (rule is not None or (number is not None and not clusters)):
        raise UsageError("--rule and -n go with --rejected (-n with --clusters too)")
    if rejected and clusters:
        raise UsageError("give --rejected or --clusters, not both")
    chain = load_chain(directory)
    if clusters:
        from pipelines.inspect import clusters as clustering

        told = clustering.clusters(chain, number or clustering.CLUSTERS)
        answer(as_json, told, lambda: clustering.render(told))
        return
    if rejected:
        told = rejecting.examples(chain, rule, number or rejecting.EXAMPLES)
        answer(as_json, told, lambda: rejecting.render(told))
        return
    answer(as_json, inspecting.inspect(chain), lambda: inspecting.render(chain))


def verify(directory: Directory, as_json: AsJson = False) -> None:
    """Check every checksum, size, boundary and count; exit 1, naming what is wrong, if any is."""
    from manifests.console.output import answer, print_answer
    from manifests.lineage.chain import load_chain
    from manifests.verify.verify import verify as check

    chain = load_chain(directory)
    with _progress("verify") as advance:
        verified = check(chain, advance)
    if as_json:
        answer(True, verified.plain(), str)
    if verified.faults:
        more = len(verified.faults) - FAULTS
        rest = [f"and {more} more faults: --json lists them all"] if more > 0 else []
        raise DataError("\n".join([*verified.faults[:FAULTS], *rest]))
    if not as_json:
        print_answer(_verified(verified))


def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="An output, or a MIX.toml.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="A newer one.")],
    as_json: AsJson = False,
) -> None:
    """Tell what changed between two outputs (config, funnel, tokens, shards) or two mixtures."""
    from manifests.console.output import answer
    from manifests.lineage.chain import load_chain
    from manifests.mixture import render
    from pipelines.inspect import diff as differing

    if before.endswith(".toml") and after.endswith(".toml"):
        mixed = render.mixture_diff(before, after)
        answer(as_json, mixed, lambda: render.diff_view(mixed))
        return
    changed = differing.diff(load_chain(before), load_chain(after))
    answer(as_json, changed, lambda: differing.render(changed))


def report(
    directory: Directory,
    out: Annotated[str, typer.Option("--out", help="The page to write.")] = "report.html",
    mixture: Annotated[
        str | None, typer.Option("--mixture", metavar="MIX.toml", help="Draw its epochs, too.")
    ] = None,
) -> None:
    """Write one self-contained HTML page: the funnel, licenses, lengths, duplicates, samples."""
    from manifests.console.output import print_answer
    from manifests.io import files
    from manifests.lineage.chain import load_chain
    from pipelines.report.page import report as draw

    files.write_bytes(out, draw(load_chain(directory), mixture).encode())
    print_answer(f"{out}: written; open it in a browser")


def attribution(
    directory: Directory,
    out: Annotated[str, typer.Option("--out", help="The list to write.")] = "ATTRIBUTION.md",
    as_json: AsJson = False,
) -> None:
    """List whose work is kept: by license the repositories and their copyright lines."""
    from manifests.console.output import answer, print_answer
    from manifests.io import files
    from manifests.lineage.chain import load_chain
    from pipelines.inspect import attribution as attributing

    told = attributing.attribution(load_chain(directory))
    if as_json:
        answer(True, told, str)
        return
    files.write_bytes(out, attributing.as_text(told).encode())
    print_answer(attributing.summary(told, out))


def show(
    directory: Directory,
    document: Annotated[
        str, typer.Argument(metavar="ID", help="32 hex digits, enough of the first, or a path.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show a document: its text, where it came from, and why it was kept or rejected."""
    from manifests.console.output import answer
    from manifests.lineage.chain import load_chain
    from pipelines.inspect import document as showing

    shown = showing.show(load_chain(directory), document)
    answer(as_json, shown, lambda: showing.render(shown))


def mix(
    directories: Annotated[list[str], typer.Argument(metavar="DIR...", help="Tokenized outputs.")],
    *,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="GROUP=W", help="A group and its weight; repeatable."),
    ] = None,
    repeat: Annotated[
        list[str] | None,
        typer.Option("--repeat", metavar="GROUP=E", help="A group and its epochs; repeatable."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="codegen2-mix, nl-only, pl-only, codegen2.5, or a TOML file."),
    ] = None,
    max_epochs: Annotated[
        list[str] | None,
        typer.Option("--max-epochs", metavar="[GROUP=]E", help="No component is seen more often."),
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget in tokens.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Budget in sizes of the mixture.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order and of every span.")] = 0,
    out: Annotated[str, typer.Option("--out", help="The mixture to write.")] = "MIX.toml",
    as_json: AsJson = False,
) -> None:
    """Write a mixture; a group is a source, SOURCE/COMPONENT, a pattern, COLUMN:VALUE, or A+B."""
    from manifests.console.output import answer
    from manifests.lineage.chain import load_chain
    from manifests.mixture import render
    from manifests.mixture.mixture import make_mixture

    caps = [text if "=" in text else f"={text}" for text in max_epochs or []]
    rows = make_mixture(
        [load_chain(directory).last.directory for directory in directories],
        _numbers("--weight", weight or []),
        repeats=_numbers("--repeat", repeat or []),
        recipe=recipe,
        max_epochs=_numbers("--max-epochs", caps),
        tokens=tokens,
        epochs=epochs,
        seed=seed,
        out=out,
    )
    answer(as_json, {"out": out, "components": rows}, lambda: render.mixture_view(rows, out))


def _numbers(option: str, texts: list[str]) -> dict[str, float]:
    """Return group -> number of an option's texts, each GROUP=NUMBER."""
    numbers: dict[str, float] = {}
    for text in texts:
        group, found, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            found = ""
        if not found or (not group and option != "--max-epochs"):
            raise UsageError(
                f"{option}: {text.lstrip('=')!r} is not written GROUP=W, with a number W"
            )
        if group in numbers:
            raise UsageError(f"{option}: a group is given twice")
        numbers[group] = value
    return numbers


def _verified(verified: "Verified") -> str:
    from manifests.console import formatting

    lines = [
        f"in order: {formatting.plural(verified.files, 'file')}, "
        f"{formatting.size(verified.bytes)}; "
        f"{formatting.plural(verified.shards, 'shard')}, "
        f"{formatting.plural(verified.documents, 'document')}, "
        f"{formatting.plural(verified.tokens, 'token')}"
    ]
    return "\n".join([*lines, *(f"not checked: {note}" for note in verified.notes)])


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr, and yield what moves it: a function of (bytes done, in all)."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
