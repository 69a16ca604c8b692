"""The three jobs on Beam's SparkRunner, with a Spark master inside its job server."""

from collections.abc import Iterable
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from manifests.lineage.manifest import manifest_digest
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from tests.corpora import write_corpus

pytestmark = [
    pytest.mark.engines,
    # The server closes its connection when a job ends, and a thread of the SDK raises.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Properties of the JVM that shorten a run of seconds: the fast compiler alone, and one thread."""


@pytest.fixture(scope="module")
def spark(spark_jar: Path) -> Runner:
    properties = [f"--job_server_jvm_properties={value}" for value in JVM]
    jar = f"--spark_job_server_jar={spark_jar}"
    # One worker, a thread of this process: a run of seconds has no time to start processes.
    options = (jar, "--spark_master_url=local[2]", "--sdk_worker_parallelism=1", *properties)
    return Runner("SparkRunner", options)


def digest(corpus: Path, output: Path, runner: Runner) -> str:
    preparation = load_preparation(str(corpus), str(output), runner)
    run_jobs(preparation)
    return manifest_digest(preparation.tokenize)


def write_sum(row: tuple[int, Iterable[int]], directory: str) -> None:
    Path(directory, str(row[0])).write_text(str(sum(row[1])))


def test_spark_runs_a_shuffle(spark: Runner, tmp_path: Path):
    with beam.Pipeline(options=PipelineOptions(spark.arguments(2))) as pipeline:
        (
            pipeline
            | beam.Create(range(1000))
            | beam.Reshuffle()
            | "Key" >> beam.Map(lambda number: (number % 7, number))
            | beam.GroupByKey()
            | "Write" >> beam.Map(write_sum, str(tmp_path))
        )
    sums = {int(path.name): int(path.read_text()) for path in tmp_path.iterdir()}
    assert sums == {key: sum(range(key, 1000, 7)) for key in range(7)}


def test_spark_writes_the_manifests_of_the_local_engine(spark: Runner, tmp_path: Path):
    corpus = write_corpus(tmp_path)
    one = Runner(options=("--direct_num_workers=1",))
    expected = digest(corpus, tmp_path / "local", one)
    assert digest(corpus, tmp_path / "spark", spark) == expected
