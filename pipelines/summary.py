"""What people and programs are told when jobs end, and of a plan before they begin."""

from typing import Any

import pyarrow as pa
from rich.console import Group

from manifests.console.output import numbers_table, unwrapped
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


def plan_values(plan: pa.Table) -> dict[str, Any]:
    """Return a plan for `--json`: by source, its inputs, parts and bytes, and what is not read."""
    sources: dict[str, dict[str, Any]] = {}
    for row in plan.to_pylist():
        source = sources.setdefault(row["source"], {"inputs": {}, "parts": 0, "not_read": []})
        if row["error"]:
            source["not_read"].append(row["error"])
        else:
            source["inputs"][row["input"]] = row["bytes"]
            source["parts"] += 1
    return {
        name: {
            "inputs": len(source["inputs"]),
            "parts": source["parts"],
            "bytes": sum(source["inputs"].values()),
            "not_read": source["not_read"],
        }
        for name, source in sources.items()
    }


def plan_table(plan: pa.Table) -> Group:
    """Return a plan as a table, a line a source, and below it what is not read."""
    table = numbers_table("plan", "source", "inputs", "parts", "MB on disk")
    sources = plan_values(plan)
    for name, source in sources.items():
        table.add_row(
            name,
            f"{source['inputs']:,}",
            f"{source['parts']:,}",
            f"{source['bytes'] / 1e6:,.1f}",
        )
    not_read = [reason for source in sources.values() for reason in source["not_read"]]
    return Group(table, *(unwrapped(f"not read: {reason}") for reason in not_read))
