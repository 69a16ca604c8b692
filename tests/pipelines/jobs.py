"""A job in the test's own process, without an engine."""

from manifests.lineage.receipts import Receipt
from pipelines.runtime.job import Job, readable_rows
from pipelines.runtime.runners import Runner
from pipelines.runtime.step import do_row, done_receipts


def run_here(job: Job, runner: Runner, retry_failed: bool = False) -> list[Receipt]:
    """Do the job's rows one after the other, and return their receipts."""
    rows = readable_rows(job.table)
    job.step.setup()
    for row in rows:
        do_row(job.step, row)
    job.step.finish()
    return [receipt for row in rows for receipt in done_receipts(job.step, row)]
