"""One HTML page about a run: losses, speed, and what it has trained on. It needs no torch."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, cast

from manifests.console import formatting
from manifests.errors import UsageError
from manifests.io import files
from manifests.page.curves import Curve, draw_curves
from manifests.page.page import render_page
from manifests.page.section import Section, Table
from objectives.stream.plan import load_plan
from trainer.interop.record import ModelRecord
from trainer.interop.training_data import UNKNOWN, record_of_run, tokens_by_license
from trainer.layout import CONFIG, METRICS, PLAN
from trainer.metrics import Metrics, iterate_metrics

AXIS = "updates"

Points = dict[str, list[tuple[float, float]]]
"""Name of a curve -> its points (update, number)."""


class _History:
    """The numbers of metrics.jsonl that are drawn."""

    def __init__(self, path: str) -> None:
        """Read a file; UsageError if it has no line."""
        self.updates: Points = {}
        self.losses: dict[str, Points] = {"objectives": {}, "sources": {}}
        self.validation: dict[str, Points] = {}
        self.seconds = 0.0
        self.components: Mapping[str, Mapping[str, float]] = {}
        self.scores: Mapping[str, Any] = {}
        last = None
        for last in iterate_metrics(path):
            self._add(last)
        if last is None:
            raise UsageError(f"{path}: the run has made no update yet")
        self.last: Metrics = last

    def _add(self, line: Metrics) -> None:
        """Add the numbers of a line."""
        step = line["step"]
        self.seconds += line["seconds"]
        for name in ("loss", "learning_rate", "gradient_norm", "tokens_per_second", "mfu"):
            _append(self.updates, name, step, line.get(name))
        for kind, points in self.losses.items():
            for name, row in line.get("losses", {}).get(kind, {}).items():
                _append(points, name, step, row["loss"])
        self.components = line.get("losses", {}).get("components", self.components)
        self.scores = cast(Mapping[str, Any], line.get("validation", self.scores))
        if "validation" in line:
            rows = dict(self.scores["languages"])
            if len(rows) > 1:
                rows["all"] = self.scores["components"]["all"]
            for measure in ("loss", "bits_per_byte", "infill_loss"):
                points = self.validation.setdefault(measure, {})
                for name, row in rows.items():
                    _append(points, name, step, row[measure])


def _append(points: Points, name: str, step: int, value: object) -> None:
    """Add a point to a curve; a number that is not finite is None in metrics.jsonl."""
    if isinstance(value, float | int):
        points.setdefault(name, []).append((step, float(value)))


def run_report(path: str) -> str:
    """Return the page of a run.

    Raises:
        UsageError: the directory is not a run, or the run has made no update yet.
        DataError: a file of the run is damaged.
    """
    if not files.exists(files.join(path, PLAN)):
        raise UsageError(f"{path}: is not a run: it has no {PLAN}")
    plan = load_plan(files.join(path, PLAN))
    history = _History(files.join(path, METRICS))
    last = history.last
    position = last["position"] + last["sequences"]
    record = record_of_run(path, plan, last["step"], position)
    sections = [
        _training(history),
        *_validation(history),
        _speed(history),
        *training_data(record),
        _origin(path, record),
    ]
    name = path.rstrip("/").rsplit("/", 1)[-1]
    lead = f"A run after {formatting.plural(last['step'], 'update')}, plan {plan.digest[:16]}"
    return render_page(name, "training", lead, _figures(history), sections)


def _figures(history: _History) -> dict[str, str]:
    """Return the totals at the top of the page."""
    last, skipped = history.last, history.last["skipped"]
    figures = {
        "updates": formatting.count(last["step"]),
        "tokens": formatting.short_count(last["tokens"]),
        "loss": _number(last["loss"]),
        "time": str(timedelta(seconds=round(history.seconds))),
        "tokens a second": formatting.short_count(last["tokens"] / history.seconds),
    }
    if history.scores:
        scores = history.scores["components"]["all"]
        figures["validation loss"] = _number(scores["loss"])
        figures["bits per byte"] = _number(scores["bits_per_byte"])
    return figures | ({"skipped updates": formatting.count(skipped)} if skipped else {})


def _training(history: _History) -> Section:
    """Return the section of the losses."""
    drawings = list(_drawings({"Loss": {"loss": history.updates.get("loss", [])}}))
    for kind, points in history.losses.items():
        if len(points) > 1:
            drawings += _drawings({f"Loss by {kind.removesuffix('s')}": points})
    rows = [
        [name, _number(row["loss"]), formatting.count(row["loss_tokens"])]
        for name, row in sorted(history.components.items(), key=lambda item: -item[1]["loss"])
    ]
    head = ["component", "loss", "loss tokens"]
    return Section(
        "Loss",
        "Mean cross-entropy in nats, weighted by the loss weights. A band reaches from the least "
        "to the greatest of the updates that share a point. Losses by objective and by source are "
        "means since the point before.",
        drawings,
        [Table(head, rows, summary=f"The last losses of each component ({len(rows)})")],
    )


def _validation(history: _History) -> Iterator[Section]:
    """Yield the section of the held-out documents, if the run has validated."""
    if not history.scores:
        return
    titles = {
        "loss": "Validation loss",
        "bits_per_byte": "Validation, bits per byte",
        "infill_loss": "Validation loss of filling gaps",
    }
    named = {title: history.validation[measure] for measure, title in titles.items()}
    rows = [
        [name, formatting.count(row["documents"]), *(_number(row[m]) for m in titles)]
        for name, row in history.scores["components"].items()
    ]
    head = ["component", "documents", "loss", "bits per byte", "infill loss"]
    yield Section(
        "Validation",
        "On held-out documents: nats a token, bits a byte of text, and nats a token of the text in "
        "a gap of each document.",
        list(_drawings(named)),
        [Table(head, rows, summary=f"The last scores of each component ({len(rows)})")],
    )


def _speed(history: _History) -> Section:
    """Return the section of the learning rate, the gradient norm and the throughput."""
    titles = {
        "learning_rate": "Learning rate",
        "gradient_norm": "Gradient norm before clipping",
        "tokens_per_second": "Tokens a second",
        "mfu": "Model FLOPs utilization",
    }
    named = {title: {title: history.updates.get(key, [])} for key, title in titles.items()}
    lead = "The learning rate, the norm of the gradient before clipping, and the throughput."
    return Section("Optimization and speed", lead, list(_drawings(named)))


def _drawings(named: Mapping[str, Points]) -> Iterator[str]:
    """Yield a drawing of each title that has points."""
    for title, points in named.items():
        curves = [Curve(name, numbers) for name, numbers in points.items() if numbers]
        if curves:
            yield draw_curves(title, curves, AXIS)


def training_data(record: ModelRecord) -> Iterator[Section]:
    """Yield the sections of what a model was trained on, its ancestors' last."""
    about = "What the run has trained on, repeated tokens included"
    yield _trained_on("Training data", about, record)
    ancestor = record.init
    while ancestor is not None:
        about = f"The run started from weights with the digest {ancestor.weights}"
        yield _trained_on(f"Training data before: {ancestor.name}", about, ancestor.record)
        ancestor = ancestor.record.init


def _trained_on(title: str, about: str, record: ModelRecord) -> Section:
    """Return the section of the components and the licenses of a record."""
    total = sum(component.tokens for component in record.components)
    components = [
        [
            component.name,
            formatting.count(component.tokens),
            formatting.share(component.tokens, total),
            f"{component.epochs:.3f}",
            component.digest[:16],
        ]
        for component in sorted(record.components, key=lambda component: -component.tokens)
    ]
    licenses = [
        [
            name or UNKNOWN,
            formatting.count(count.documents),
            formatting.count(count.tokens),
            formatting.share(count.tokens, total),
        ]
        for name, count in tokens_by_license(record).items()
    ]
    return Section(
        title,
        f"{about}: {formatting.count(total)} tokens. The tokens of a license are those of its "
        "documents times the epochs of their component. The file stackpile.json of the run and of "
        "an export has these numbers.",
        tables=[
            Table(["component", "tokens", "share", "epochs", "digest of the shards"], components),
            Table(["license", "documents", "tokens", "share"], licenses),
        ],
    )


def _origin(path: str, record: ModelRecord) -> Section:
    """Return the section of the config."""
    config = files.read_bytes(files.join(path, CONFIG)).decode()
    objectives = ", ".join(record.objectives)
    return Section(
        "Config", f"Objectives: {objectives}. Plan {record.plan}.", texts=[("run.toml", config)]
    )


def _number(value: float | None) -> str:
    """Return a number with four digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"
