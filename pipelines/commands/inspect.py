"""The subcommands that look at a corpus or an output as a whole.

Except `attribution`, which writes one page, they write nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from manifests.console.options import AsJson, CorpusFile, Directory, answer
from manifests.errors import DataError, UsageError

if TYPE_CHECKING:
    from manifests.verify.verify import Verified

LISTED_FAULTS = 20
"""Maximum number of faults that an error lists; --json has all of them."""


def plan(corpus: CorpusFile, as_json: AsJson = False) -> None:
    """Print the inputs of a corpus, the parts that they are cut into, and inputs not read."""
    from pipelines.corpus.loading import load_corpus
    from pipelines.inspect.plan import plan, plan_table

    sources = plan(load_corpus(corpus))
    answer(as_json, sources, lambda: plan_table(sources))


def inspect(
    directory: Directory,
    *,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Show examples of rejected documents.")
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
    """Print what an output holds: totals, the funnel, the tokenizer, the chain of manifests."""
    from manifests.lineage.chain import load_chain

    if not rejected and (rule is not None or (number is not None and not clusters)):
        raise UsageError("--rule and -n go with --rejected (-n with --clusters too)")
    if rejected and clusters:
        raise UsageError("give --rejected or --clusters, not both")
    chain = load_chain(directory)
    if clusters:
        from pipelines.inspect.clusters import CLUSTERS, render_clusters, sample_clusters

        samples = sample_clusters(chain, number or CLUSTERS)
        answer(as_json, samples, lambda: render_clusters(samples))
    elif rejected:
        from pipelines.inspect.rejected import EXAMPLES, render_rejections, sample_rejections

        rules = sample_rejections(chain, rule, number or EXAMPLES)
        answer(as_json, rules, lambda: render_rejections(rules))
    else:
        from pipelines.inspect.summary import render_summary, summarize

        answer(as_json, summarize(chain), lambda: render_summary(chain))


def thresholds(
    directory: Directory,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILTER=NUMBER ...]", help="A threshold, or =false, or =true."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what other thresholds of [filters] would keep, from scores: no text is read again."""
    from manifests.lineage.chain import load_chain
    from pipelines.inspect.thresholds import compare_thresholds, render_thresholds

    comparison = compare_thresholds(load_chain(directory), changes or [])
    answer(as_json, comparison, lambda: render_thresholds(comparison))


def verify(directory: Directory, as_json: AsJson = False) -> None:
    """Check every checksum, size, boundary and count; on faults, list them and exit with 1."""
    from manifests.lineage.chain import load_chain
    from manifests.verify.verify import verify as check

    chain = load_chain(directory)
    with _progress("verify") as advance:
        verified = check(chain, advance)
    if as_json or not verified.faults:
        answer(as_json, verified.plain(), lambda: _verified_text(verified))
    if verified.faults:
        more = len(verified.faults) - LISTED_FAULTS
        rest = [f"and {more} more faults: --json lists them all"] if more > 0 else []
        raise DataError("\n".join([*verified.faults[:LISTED_FAULTS], *rest]))


def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="An output, or a MIX.toml.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="A newer one.")],
    as_json: AsJson = False,
) -> None:
    """Print what changed between two outputs (config, funnel, tokens, shards) or two mixtures."""
    from manifests.lineage.chain import load_chain
    from manifests.mixture import render
    from pipelines.inspect import diff

    if before.endswith(".toml") and after.endswith(".toml"):
        mixtures = render.mixture_diff(before, after)
        answer(as_json, mixtures, lambda: render.diff_view(mixtures))
        return
    changes = diff.diff(load_chain(before), load_chain(after))
    answer(as_json, changes, lambda: diff.render_diff(changes))


def attribution(
    directory: Directory,
    out: Annotated[str, typer.Option("--out", help="The list to write.")] = "ATTRIBUTION.md",
    as_json: AsJson = False,
) -> None:
    """List repositories and copyright lines of kept documents by license."""
    from manifests.io import files
    from manifests.lineage.chain import load_chain
    from pipelines.inspect import attribution

    works = attribution.attribution(load_chain(directory))
    if not as_json:
        files.write_bytes(out, attribution.as_markdown(works).encode())
    answer(as_json, works, lambda: attribution.summary(works, out))


def _verified_text(verified: "Verified") -> str:
    """Return what `verify` prints if there are no faults."""
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
    """Show a bar on stderr; yield the function (bytes done, bytes in all) that advances it."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


COMMANDS = (plan, inspect, thresholds, verify, diff, attribution)
