"""`LicenseFilter` writes the output of the command in a user's own pipeline."""

from pathlib import Path

import apache_beam as beam
from apache_beam.metrics import MetricsFilter
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing import test_pipeline as testing
from apache_beam.testing.util import assert_that, equal_to

from manifests.lineage.manifest import manifest_digest
from pipelines.license_filter.job import LicenseFilter, run
from pipelines.license_filter.plan import make_plan
from pipelines.license_filter.reference_lists import digest_lists
from pipelines.preparation import load_preparation
from pipelines.runtime.job import NAMESPACE
from pipelines.runtime.runners import Runner

ONE = Runner(options=("--direct_num_workers=1",))


def test_rows_of_the_plan_become_receipts_counters_and_the_files_of_the_command(
    corpus: Path,
) -> None:
    expected = load_preparation(str(corpus), str(corpus.parent / "expected"), ONE)
    totals = run(expected).totals
    own = load_preparation(str(corpus), str(corpus.parent / "own"), ONE)
    rows = make_plan(own.corpus, digest_lists(own.corpus)).to_pylist()
    with testing.TestPipeline(runner=FnApiRunner()) as pipeline:
        receipts = pipeline | beam.Create(rows) | LicenseFilter(own.license_filter, own.corpus)
        names = receipts | beam.Map(lambda receipt: receipt.name)
        assert_that(names, equal_to([row["part"] for row in rows]))
    metrics = pipeline.result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    counters = {result.key.metric.name: result.committed for result in metrics["counters"]}
    assert counters["documents_in"] == totals.documents_in
    assert counters["documents_kept"] == totals.documents
    assert (counters["bytes_in"], counters["bytes_kept"]) == (totals.bytes_in, totals.bytes)
    assert (counters["rejected_null_text"], counters["rejected_license_denied"]) == (2, 1)
    run(own)
    assert manifest_digest(own.license_filter) == manifest_digest(expected.license_filter)
