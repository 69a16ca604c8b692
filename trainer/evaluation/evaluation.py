"""An evaluation: tasks on a model, in a directory that a restart goes on with."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from manifests.config import did_you_mean
from manifests.errors import UsageError
from manifests.io import files
from trainer.checkpoints.lease import hold
from trainer.evaluation.code_evaluation import evaluate_code
from trainer.evaluation.code_tasks import CODE_TASKS
from trainer.evaluation.data import read_object
from trainer.evaluation.heldout import evaluate_heldout
from trainer.evaluation.intervals import Estimate
from trainer.evaluation.likelihood_tasks import evaluate_lambada, evaluate_piqa
from trainer.evaluation.model import EvaluatedModel
from trainer.evaluation.mtpb import PACKAGES, evaluate_mtpb
from trainer.evaluation.open_model import open_model
from trainer.evaluation.pass_at_k import check_k
from trainer.evaluation.settings import Job, Progress, Settings
from trainer.evaluation.xsum import evaluate_xsum
from trainer.run import Run
from trainer.sandbox.sandbox import Sandbox

CODE = {task.name: task for task in CODE_TASKS}
MTPB, HELDOUT = "mtpb", "heldout"
SCORED = {"lambada": evaluate_lambada, "piqa": evaluate_piqa, "xsum": evaluate_xsum}
TASKS = (HELDOUT, *CODE, MTPB, *SCORED)
"""The names of all tasks."""

SETTINGS, RESULTS = "evaluation.json", "results.json"


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    Attributes:
        path: of a run or a model directory.
        tasks: names of TASKS.
        data: directory of the benchmarks' files; None if no task needs one.
        out: directory to write or to go on with; local.
        settings: what determines the numbers.
        step: of a run's checkpoint; None: the last one.
        rows: maximum number of samples that are decoded at once.
        workers: programs at once; None: one a core.
        allow_execution: whether programs of the model may be executed.
    """

    path: str
    tasks: Sequence[str]
    data: str | None
    out: str
    settings: Settings
    step: int | None = None
    rows: int = 32
    workers: int | None = None
    allow_execution: bool = False


def evaluate_tasks(request: Request, progress: Progress) -> dict[str, Any]:
    """Run the tasks, and write results.json after each; return its content.

    Raises:
        UsageError: the request is wrong, this system runs no sandbox, or another evaluation is at
            work in `out`.
        DataError: a file is damaged, or `out` is of another model or other settings.
    """
    _check(request)
    request = replace(request, out=files.require_local(request.out))
    model, identity = open_model(request.path, request.step)
    with ExitStack() as stack:
        lease = stack.enter_context(hold(request.out))
        _check_same(request, identity)
        path = files.join(request.out, RESULTS)
        before = files.read_if_exists(path)
        old = read_object(path, before) if before else {}
        metrics: dict[str, dict[str, Estimate]] = old.get("tasks", {})
        results = old | {"model": identity, "settings": asdict(request.settings), "tasks": metrics}
        sandbox = None
        if executing := _executing(request.tasks):
            packages = PACKAGES if MTPB in executing else ()
            sandbox = stack.enter_context(Sandbox(workers=request.workers, packages=packages))
            results["execution"] = asdict(sandbox.enforcement)
        for name in request.tasks:
            metrics[name] = _evaluate(name, request, model, sandbox, progress)
            lease.check()
            files.write_json(path, results)
    return results


def _evaluate(
    name: str, request: Request, model: EvaluatedModel, sandbox: Sandbox | None, progress: Progress
) -> dict[str, Estimate]:
    """Return the metrics of a task."""
    directory = files.join(request.out, name)
    job = Job(model, request.data or "", directory, request.settings, request.rows, progress)
    if name == HELDOUT:
        return evaluate_heldout(Run.open(request.path), job)
    if name in SCORED:
        return SCORED[name](job)
    assert sandbox is not None
    if name == MTPB:
        return evaluate_mtpb(job, sandbox)
    return evaluate_code(CODE[name], job, sandbox)


def _executing(tasks: Sequence[str]) -> list[str]:
    """Return the tasks that execute programs."""
    return [name for name in tasks if name in CODE or name == MTPB]


def _check(request: Request) -> None:
    """Raise UsageError for what can be known before a model is opened."""
    for name in request.tasks:
        if name not in TASKS:
            raise UsageError(f"--tasks: {name!r} is no task; {did_you_mean(name, TASKS)}")
    if any(name != HELDOUT for name in request.tasks) and request.data is None:
        raise UsageError("--data: name the directory of the benchmarks' files")
    check_k(request.settings.samples, request.settings.ks)
    if (names := _executing(request.tasks)) and not request.allow_execution:
        raise UsageError(
            f"{', '.join(names)}: these tasks execute programs that the model wrote, which may do "
            "harm; they run in a sandbox, whose limits docs/evaluation.md describes, and only with "
            "--allow-execution"
        )


def _check_same(request: Request, identity: dict[str, Any]) -> None:
    """Write evaluation.json, or raise UsageError if it is there with other content."""
    path = files.join(request.out, SETTINGS)
    content = {"model": identity, "settings": asdict(request.settings)}
    content["settings"]["ks"] = list(request.settings.ks)
    before = files.read_if_exists(path)
    if before is None:
        files.write_json(path, content)
        return
    old = read_object(path, before)
    for part, values in content.items():
        for name, value in values.items():
            was = old.get(part, {}).get(name)
            if name != "path" and was != value:
                raise UsageError(
                    f"{request.out}: was begun with {part} {name} {was}, and this evaluation has "
                    f"{value}; use another --out, or the first value"
                )
