"""What a run has trained on: tokens and epochs of each component, and the licenses."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from rich.table import Table

from manifests.console import formatting
from manifests.console.output import numbers_table
from manifests.dataset.dataset import Dataset
from manifests.dataset.shard_index import read_documents, read_shard_rows
from manifests.errors import StackpileError
from manifests.io import files
from objectives.stream.plan import Plan, PlanComponent
from objectives.stream.sampler import Sampler
from trainer.interop.record import (
    LicenseCount,
    ModelRecord,
    TrainedComponent,
    read_ancestor,
    read_record,
)
from trainer.layout import METRICS
from trainer.metrics import iterate_metrics

UNKNOWN = "none known"
"""Label of documents without a known license."""

LISTED = 10
"""Number of components and of licenses that a table lists (ours)."""


NAME_CHARACTERS = 40
"""Maximum length of the name of a license in a table: beside it, 80 columns have the numbers."""


def record_of_run(run: str, plan: Plan, step: int, position: int) -> ModelRecord:
    """Return the record of a run after some updates.

    Args:
        run: its directory, which has the record in stackpile.json if the run has ended there.
        plan: its plan.
        step: updates made.
        position: stream position after the last of them.
    """
    written = read_record(run)
    if (
        written is not None
        and (written.step, written.position) == (step, position)
        and all(component.licenses is not None for component in written.components)
    ):
        return written
    counts = _tokens_seen(run, plan, step, position)
    return ModelRecord(
        control=plan.control,
        objectives={name: plan.settings.get(name, {}) for name in plan.objectives()},
        attention=plan.attention,
        task_tokens=plan.task_tokens,
        step=step,
        position=position,
        plan=plan.digest,
        components=[
            TrainedComponent(
                name=component.name,
                digest=component.digest,
                tokens=count,
                epochs=count / component.addresses,
                licenses=_licenses(component),
            )
            for component, count in zip(plan.components, counts, strict=True)
        ],
        init=read_ancestor(run),
    )


def _tokens_seen(run: str, plan: Plan, step: int, position: int) -> list[int]:
    """Return how many tokens and end tokens of each component a run has trained on.

    These are the tokens before the position without those of skipped sequences. metrics.jsonl has
    the sequences of each update, also where the config no longer has the skipped range.
    """
    sampler = Sampler(plan)
    counts = np.array(sampler.counts(position))
    last_step, end = 0, 0
    for metrics in iterate_metrics(files.join(run, METRICS)):
        if metrics["step"] > step:
            break
        if metrics["step"] == last_step + 1 and metrics["position"] > end:
            counts -= np.subtract(sampler.counts(metrics["position"]), sampler.counts(end))
        last_step, end = metrics["step"], metrics["position"] + metrics["sequences"]
    seen: list[int] = counts.tolist()
    return seen


def tokens_by_license(record: ModelRecord) -> dict[str, LicenseCount]:
    """Return license -> documents, and the tokens that the model has seen of them; most first.

    The tokens are those of one epoch times the epochs of the component: which documents a begun
    epoch has reached is not counted. Components whose dataset was out of reach are left out.
    """
    documents: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for component in record.components:
        for name, count in (component.licenses or {}).items():
            documents[name] += count.documents
            tokens[name] += round(count.tokens * component.epochs)
    ordered = sorted(documents, key=lambda name: (-tokens[name], -documents[name], name))
    return {n: LicenseCount(documents=documents[n], tokens=tokens[n]) for n in ordered}


def _licenses(component: PlanComponent) -> dict[str, LicenseCount] | None:
    """Return the licenses of a component, or None if its dataset cannot be read."""
    try:
        dataset = Dataset.open(component.dataset)
        documents: Counter[str] = Counter()
        tokens: Counter[str] = Counter()
        for row in read_shard_rows(dataset.directory, dataset.manifest):
            if (row.component, row.heldout) == (component.source_name, component.heldout):
                table = read_documents(dataset.directory, row, ["license", "tokens"])
                sums = table.group_by("license").aggregate([("tokens", "count"), ("tokens", "sum")])
                for item in sums.to_pylist():
                    name = item["license"] or ""
                    documents[name] += item["tokens_count"]
                    tokens[name] += item["tokens_sum"] + item["tokens_count"]
        return {
            name: LicenseCount(documents=documents[name], tokens=tokens[name])
            for name in sorted(documents)
        }
    except (StackpileError, OSError):
        return None


def data_tables(record: ModelRecord) -> Iterator[Table]:
    """Yield what a run has trained on: the largest components, and the most frequent licenses."""
    total = sum(component.tokens for component in record.components)
    ordered = sorted(record.components, key=lambda component: -component.tokens)
    table = numbers_table("trained on", "component", "tokens", "share", "epochs")
    for component in ordered[:LISTED]:
        share = formatting.share(component.tokens, total)
        table.add_row(
            component.name, formatting.count(component.tokens), share, f"{component.epochs:.3f}"
        )
    _add_rest(table, [component.tokens for component in ordered[LISTED:]], total, "component")
    yield table
    licenses = list(tokens_by_license(record).items())
    table = numbers_table("by license", "license", "tokens", "share", "documents")
    for name, count in licenses[:LISTED]:
        share = formatting.share(count.tokens, total)
        documents = formatting.count(count.documents)
        shown = name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"
        table.add_row(shown or UNKNOWN, formatting.count(count.tokens), share, documents)
    _add_rest(table, [count.tokens for _, count in licenses[LISTED:]], total, "license")
    yield table


def _add_rest(table: Table, tokens: list[int], total: int, word: str) -> None:
    """Add a row that stands for the rest."""
    if tokens:
        name = formatting.plural(len(tokens), f"other {word}")
        share = formatting.share(sum(tokens), total)
        table.add_row(name, formatting.count(sum(tokens)), share, "")
