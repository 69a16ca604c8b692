"""The summary that `prepare` and its jobs print when they end."""

from typing import Any

from rich.console import Group

from manifests.console.output import numbers_table
from pipelines.preparation import Preparation, rejections
from pipelines.prepare import Done


def as_values(done: dict[str, Done]) -> dict[str, Any]:
    """Return the ended jobs for `--json`: totals, losses by rule, seconds and directories."""
    return {
        job: {
            "directory": each.directory,
            "seconds": round(each.seconds, 3),
            "megabytes_per_second": each.megabytes_per_second,
            "totals": each.manifest.totals.model_dump(mode="json"),
            "rejected": rejections(each.manifest.funnel),
            "failed": [letter.model_dump(mode="json") for letter in each.manifest.failed],
        }
        for job, each in done.items()
    }


def as_table(preparation: Preparation, done: dict[str, Done]) -> Group:
    """Return the ended jobs as a table, a line a job, and below it what rejected most."""
    heads = ("job", "in", "kept", "MB in", "tokens", "seconds", "MB/s")
    table = numbers_table(f"documents prepared in {preparation.output}", *heads)
    for job, each in done.items():
        totals = each.manifest.totals
        table.add_row(
            job,
            f"{totals.documents_in:,}",
            f"{totals.documents:,}",
            f"{totals.bytes_in / 1e6:,.1f}",
            "" if totals.tokens is None else f"{totals.tokens:,}",
            f"{each.seconds:.1f}",
            "" if each.megabytes_per_second is None else f"{each.megabytes_per_second:.1f}",
        )
    return Group(table, *(_losses(job, each) for job, each in done.items() if _losses(job, each)))


def _losses(job: str, done: Done) -> str:
    taken = rejections(done.manifest.funnel)
    told = [f"{rule} {count:,}" for rule, count in taken.items()]
    failed = [f"inputs that cannot be read {len(done.manifest.failed):,}"]
    told += failed if done.manifest.failed else []
    return f"{job} rejected: {', '.join(told)}" if told else ""
