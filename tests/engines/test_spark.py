"""Spark standalone with two machines: the bytes of the local engine, or one clear sentence."""

import collections
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from manifests.errors import DataError, HandedOver
from manifests.lineage.manifest import manifest_digest
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.cluster import Cluster
from pipelines.runtime.runners import Runner, open_runner
from tests.corpora import write_corpus
from tests.engines.spark_cluster import SparkCluster, can_unshare, spark_cluster
from tests.object_store import BUCKET, serving

pytestmark = [
    pytest.mark.engines,
    # The server closes its connection when a job ends, and a thread of the SDK raises.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

CORES = 2


@pytest.fixture(scope="module")
def variables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def digest(corpus: Path, output: str, runner: Runner) -> str:
    preparation = load_preparation(str(corpus), output, runner)
    run_jobs(preparation)
    return manifest_digest(preparation.tokenize)


@pytest.fixture(scope="module")
def expected(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("local") / "out"
    return digest(corpus, str(output), Runner(options=("--direct_num_workers=1",)))


def engine(cluster: SparkCluster, jar: Path, *options: str, cores: int = CORES) -> Runner:
    given = [f"--spark_job_server_jar={jar}", *cluster.options, *options]
    return open_runner("spark", given, Cluster(2, cores))


@pytest.fixture(scope="module")
def store_cluster(
    spark_jar: Path, tmp_path_factory: pytest.TempPathFactory, variables: None
) -> Iterator[SparkCluster]:
    """Return a cluster whose machines share an object store and nothing else."""
    directory = tmp_path_factory.mktemp("cluster")
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(patch),
        spark_cluster(directory, spark_jar.parent, CORES) as cluster,
    ):
        yield cluster


def test_two_machines_write_the_manifests_of_the_local_engine(
    corpus: Path, expected: str, store_cluster: SparkCluster, spark_jar: Path
) -> None:
    runner = engine(store_cluster, spark_jar)
    assert digest(corpus, f"s3://{BUCKET}/out", runner) == expected


def test_a_jar_for_each_step_is_run_by_spark_submit(
    corpus: Path, expected: str, store_cluster: SparkCluster, spark_jar: Path, tmp_path: Path
) -> None:
    jar, steps = tmp_path / "step.jar", []
    runner = engine(store_cluster, spark_jar, f"--output_executable_path={jar}")
    while True:
        try:
            assert digest(corpus, f"s3://{BUCKET}/jars", runner) == expected
            break
        except HandedOver as left:
            assert f"org.apache.beam.runners.spark.SparkPipelineRunner {jar}" in str(left)
            steps.append(str(left).split(": ")[1])
            store_cluster.submit(jar, parallelism=4)
    assert len(steps) == 6


def test_machines_that_do_not_share_the_output_are_one_sentence(
    corpus: Path, spark_jar: Path, tmp_path: Path, variables: None
) -> None:
    if not can_unshare():
        pytest.skip("two disks on one computer need root and `unshare`")
    shared = tmp_path / "shared"
    shared.mkdir()
    directory = tmp_path / "cluster"
    directory.mkdir()
    disks = {"SHARED_PATH": str(shared)}
    with spark_cluster(directory, spark_jar.parent, CORES, disks) as cluster:
        runner = engine(cluster, spark_jar)
        with pytest.raises(DataError, match="does not see the files that the driver writes there"):
            digest(corpus, str(shared / "out"), runner)
    assert not (shared / "out/license_filter/manifest.json").exists()


class Note(beam.DoFn):
    """Writes the machine, the process and the number of elements of each bundle to a file."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def start_bundle(self) -> None:
        self.count = 0

    def process(self, element: int) -> None:
        self.count += 1
        time.sleep(0.02)

    def finish_bundle(self) -> None:
        note = [os.environ["MACHINE"], os.getpid(), self.count]
        name = f"{os.getpid()}-{time.monotonic_ns()}-{id(self)}.json"
        Path(self.directory, name).write_text(json.dumps(note))


def test_the_elements_fill_two_machines_of_eight_cores(
    spark_jar: Path, tmp_path: Path, variables: None
) -> None:
    directory, notes = tmp_path / "cluster", tmp_path / "notes"
    directory.mkdir()
    notes.mkdir()
    with spark_cluster(directory, spark_jar.parent, 8) as cluster:
        runner = engine(cluster, spark_jar, cores=8)
        with beam.Pipeline(options=PipelineOptions(runner.arguments(160))) as pipeline:
            (
                pipeline
                | beam.Create(["x"])
                | beam.FlatMap(lambda _: range(160))
                | beam.Reshuffle()
                | beam.ParDo(Note(str(notes)))
            )
    bundles = [json.loads(path.read_text()) for path in notes.iterdir()]
    processes = collections.defaultdict(set)
    for machine, process, _ in bundles:
        processes[machine].add(process)
    assert sum(count for *_, count in bundles) == 160
    assert len(bundles) >= 16
    assert set(processes) == {"a", "b"}
    assert all(len(numbers) > 1 for numbers in processes.values())
