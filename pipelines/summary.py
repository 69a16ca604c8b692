"""The summary that `prepare` and its jobs print when they end."""

from typing import Any

from rich.console import Group

from manifests.console.output import numbers_table, unwrapped
from pipelines.inspect.notes import notes
from pipelines.preparation import Preparation, rejections
from pipelines.prepare import JobResult


def result_values(results: dict[str, JobResult]) -> dict[str, Any]:
    """Return the results of jobs for `--json`: totals, losses by rule, seconds and directories."""
    return {
        job: {
            "directory": result.directory,
            "seconds": round(result.seconds, 3),
            "megabytes_per_second": result.megabytes_per_second,
            "totals": result.manifest.totals.model_dump(mode="json"),
            "rejected": rejections(result.manifest.funnel),
            "failed": [letter.model_dump(mode="json") for letter in result.manifest.failed],
        }
        for job, result in results.items()
    }


def result_table(preparation: Preparation, results: dict[str, JobResult]) -> Group:
    """Return the results as a table with one line for each job, then the rejections of each job."""
    heads = ("job", "in", "kept", "MB in", "tokens", "seconds", "MB/s")
    table = numbers_table(f"documents prepared in {preparation.output}", *heads)
    for job, result in results.items():
        totals = result.manifest.totals
        rate = result.megabytes_per_second
        table.add_row(
            job,
            f"{totals.documents_in:,}",
            f"{totals.documents:,}",
            f"{totals.bytes_in / 1e6:,.1f}",
            "" if totals.tokens is None else f"{totals.tokens:,}",
            f"{result.seconds:.1f}",
            "" if rate is None else f"{rate:.1f}",
        )
    lines = [_losses(job, result) for job, result in results.items()]
    lines += notes([result.manifest for result in results.values()])
    return Group(table, *map(unwrapped, filter(None, lines)))


def _losses(job: str, result: JobResult) -> str:
    """Return the rejections and the unreadable inputs of a job as a line; "" for none."""
    counts = [f"{rule} {count:,}" for rule, count in rejections(result.manifest.funnel).items()]
    if result.manifest.failed:
        counts.append(f"inputs that cannot be read {len(result.manifest.failed):,}")
    return f"{job} rejected: {', '.join(counts)}" if counts else ""
