"""XSum, 1-shot: a summary after one example, scored by ROUGE-L (Lin, 2004)."""

import re

from pydantic import BaseModel

from manifests.errors import DataError
from manifests.io import files
from trainer.evaluation.code_tasks import truncate
from trainer.evaluation.data import read_rows
from trainer.evaluation.intervals import Estimate, proportion
from trainer.evaluation.sample_file import SampleFile
from trainer.evaluation.settings import Job
from trainer.sampling.generate import Sampling

FILE = "xsum.jsonl"
TOKENS = 64
"""Most tokens of a summary. Ours: XSum's summaries have one sentence."""

STOPS = ("\n",)

WORD = re.compile("[a-z0-9]+")
"""Published: the tokens of Google's rouge-score without its stemmer."""


class _Row(BaseModel):
    document: str
    summary: str


def evaluate_xsum(job: Job) -> dict[str, Estimate]:
    """Return `rouge_l` of greedy summaries; the first row of the file is the example.

    A document is cut at its end, so that both documents and a summary fit into the context: at
    most half of the room for each document.

    Raises:
        DataError: a line of the file is bad, or the file has no row besides the example.
    """
    path = job.file(FILE, "xsum")
    example, *rest = read_rows(path, _Row)
    rows = job.settings.first(rest)
    if not rows:
        raise DataError(f"{path}: has only one row, which is the example")
    done = SampleFile(files.join(job.directory, "summaries.jsonl"))
    sampling = Sampling(TOKENS, temperature=0, seed=job.settings.seed, rows=job.rows)
    for start in range(len(done.lines), len(rows), job.rows):
        chunk = rows[start : start + job.rows]
        prompts = [_prompt(job, example, row) for row in chunk]
        fitting = [job.fits("xsum", [*prompt, *[0] * (TOKENS - 1)]) for prompt in prompts]
        sampled = [prompt for prompt, fits in zip(prompts, fitting, strict=True) if fits]
        made = iter(job.model.sample(sampled, False, sampling, STOPS))
        texts = [next(made)[0] if fits else "" for fits in fitting]
        done.append(
            {"row": start + number, "summary": truncate(text, STOPS), "reference": row.summary}
            for number, (row, text) in enumerate(zip(chunk, texts, strict=True))
        )
        job.progress("xsum", len(done.lines), len(rows))
    scores = [rouge_l(line["reference"], line["summary"]) for line in done.lines[: len(rows)]]
    return {"rouge_l": proportion(scores)}


def _prompt(job: Job, example: _Row, row: _Row) -> list[int]:
    """Return the example with its summary, and a document without one, as ids."""
    encode = job.model.encode
    head, tail = encode("Document: "), encode("\nSummary:")
    answer = encode(f" {example.summary}\n\n")
    control = len(job.model.prompt([]))
    room = job.model.context - TOKENS - control - 2 * (len(head) + len(tail)) - len(answer)
    documents = [encode(text)[: max(room // 2, 1)] for text in (example.document, row.document)]
    return job.model.prompt([*head, *documents[0], *tail, *answer, *head, *documents[1], *tail])


def rouge_l(reference: str, text: str) -> float:
    """Return ROUGE-L of a text: the F-measure of the longest common subsequence of words.

    From 0 to 1; 0 where either has no word.
    """
    one, two = (WORD.findall(words.lower()) for words in (reference, text))
    row = [0] * (len(two) + 1)
    for word in one:
        before = row
        row = [0]
        for number, other in enumerate(two):
            row.append(before[number] + 1 if word == other else max(before[number + 1], row[-1]))
    common = row[-1]
    return 2 * common / (len(one) + len(two)) if common else 0.0
