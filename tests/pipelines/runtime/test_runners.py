"""Options of engines, and the error of a job that fails."""

import os

import apache_beam as beam
import pytest

from manifests.errors import DataError, StackpileError, UsageError
from pipelines.runtime.runners import Runner, run


def test_the_engine_in_this_process_has_a_worker_for_each_core_and_no_more_than_parts() -> None:
    assert Runner().processes(1) == 1
    assert Runner().processes(10**6) == os.cpu_count()
    assert Runner().arguments(10**6) == ["--direct_num_workers=1"]


@pytest.mark.parametrize("options", [("--direct_num_workers=7",), ("--direct_num_workers", "7")])
def test_beams_option_is_the_number_of_worker_processes_or_threads(
    options: tuple[str, ...],
) -> None:
    seven = Runner(options=("--experiments=other", *options))
    assert (seven.processes(100), seven.processes(2)) == (7, 2)
    assert seven.arguments(100) == ["--experiments=other", "--direct_num_workers=1"]
    assert seven.threaded().processes(100) == 1
    assert seven.threaded().arguments(100)[-1] == "--direct_num_workers=7"
    assert Runner(options=("--direct_num_workers=0",)).processes(10**6) == os.cpu_count()


def test_beams_own_worker_processes_have_no_processes_beneath_them() -> None:
    options = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    assert Runner(options=options).processes(9) == 1
    assert sorted(Runner(options=options).arguments(9)) == sorted(options)
    assert Runner("PortableRunner").processes(9) == 1


def test_spark_optimizes_the_graph_so_that_it_reads_in_parallel() -> None:
    assert "--experiments=pre_optimize=all" in Runner("SparkRunner").arguments(9)
    assert "--runner=SparkRunner" in Runner("SparkRunner").arguments(9)
    own = Runner("SparkRunner", ("--experiments=other",)).arguments(9)
    assert [option for option in own if option.startswith("--experiments")] == [
        "--experiments=other"
    ]


def test_an_unknown_engine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="NoSuchRunner"):
        run(Runner("NoSuchRunner"), 1, lambda pipeline: None)


class Fail(beam.DoFn):
    """Fails when it is set up, as a step with a missing file, or at its first element."""

    def __init__(self, error: type[StackpileError], early: bool) -> None:
        self.error, self.early = error, early

    def setup(self) -> None:
        self._fail(self.early)

    def process(self, element: int) -> None:
        self._fail(True)

    def _fail(self, now: bool) -> None:
        if now:
            raise self.error("shard 7: is not whole")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", [DataError, UsageError])
@pytest.mark.parametrize("early", [True, False])
def test_the_error_of_a_job_is_the_workers_own_sentence(
    workers: int, error: type[StackpileError], early: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | beam.Create([1]) | beam.ParDo(Fail(error, early))

    runner = Runner(options=(f"--direct_num_workers={workers}",))
    with pytest.raises(error, match=r"^shard 7: is not whole$"):
        run(runner, 9, build)
    assert capfd.readouterr() == ("", "")
