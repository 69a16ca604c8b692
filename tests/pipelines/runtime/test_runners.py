"""Options of engines, and the error of a job that fails."""

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, SetupOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from manifests.cores import usable_cores
from manifests.errors import DataError, HandedOver, StackpileError, UsageError
from pipelines.runtime.beam_options import LocalOptions, handed_over
from pipelines.runtime.runners import Runner, Work, open_runner, run
from tests.pipelines.runtime.fake_engines import Idle, Interrupted, Skipping, engine

WORK = Work("count_bytes", "out", 1)


def test_the_engine_in_this_process_has_a_worker_for_each_core_and_no_more_than_parts() -> None:
    assert Runner().processes(1) == 1
    assert Runner().processes(10**6) == usable_cores()
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
    assert Runner(options=("--direct_num_workers=0",)).processes(10**6) == usable_cores()


def test_beams_own_worker_processes_have_no_processes_beneath_them() -> None:
    options = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    assert Runner(options=options).processes(9) == 1
    assert sorted(Runner(options=options).arguments(9)) == sorted(options)
    assert Runner("PortableRunner").processes(9) == 1


def test_views_of_options_are_made_once_and_share_their_values() -> None:
    options = LocalOptions(["--direct_num_workers=3"])
    direct = options.view_as(DirectOptions)
    assert options.view_as(DirectOptions) is direct and direct.direct_num_workers == 3
    options.view_as(SetupOptions).view_as(DirectOptions).direct_num_workers = 4
    assert direct.direct_num_workers == 4
    copied = copy.deepcopy(options)
    copied.view_as(DirectOptions).direct_num_workers = 5
    assert copied.get_all_options()["direct_num_workers"] == 5
    assert direct.direct_num_workers == 4


def test_spark_optimizes_the_graph_so_that_it_reads_in_parallel() -> None:
    assert "--experiments=pre_optimize=all" in Runner("SparkRunner").arguments(9)
    assert "--runner=SparkRunner" in Runner("SparkRunner").arguments(9)
    own = Runner("SparkRunner", ("--experiments=pre_optimize=none",)).arguments(9)
    assert [option for option in own if "pre_optimize" in option] == [
        "--experiments=pre_optimize=none"
    ]


def test_an_unknown_engine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="NoSuchRunner"):
        run(Runner("NoSuchRunner"), WORK, lambda pipeline: None)
    with pytest.raises(UsageError, match="NoSuchRunner"):
        open_runner("NoSuchRunner", [])


def test_short_names_of_engines() -> None:
    assert open_runner("local", []).in_process and open_runner(None, []).in_process
    assert open_runner("spark", ["--job_endpoint=h:1"]).name == "SparkRunner"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--enviroment_type=LOOPBACK"], "knows the option '--enviroment_type'; did you mean"),
        (["--direct_num_workers=2", "astray"], "knows the option 'astray'"),
        (["--direct_num_workers=two"], "direct_num_workers: invalid int value: 'two'"),
        (["--dry_run=True"], "the engine in this process runs every job itself"),
    ],
)
def test_a_mistyped_option_is_an_error_before_any_work(
    options: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=sentence):
        open_runner(None, options)
    assert capfd.readouterr() == ("", "")


class JobServer(beam_job_api_pb2_grpc.JobServiceServicer):
    """A job server that has an option of its own."""

    def DescribePipelineOptions(self, request, context):
        option = beam_job_api_pb2.PipelineOptionDescriptor(name="bundle_size")
        return beam_job_api_pb2.DescribePipelineOptionsResponse(options=[option])


@pytest.fixture
def job_endpoint() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(JobServer(), server)
    server.start()
    yield f"--job_endpoint=localhost:{port}"
    server.stop(None)


def test_a_job_server_tells_its_own_options(job_endpoint: str) -> None:
    options = (job_endpoint, "--environment_type=LOOPBACK", "--bundle_size=3")
    assert open_runner("PortableRunner", options).options == options
    with pytest.raises(UsageError, match="'--bundel_size'; did you mean 'bundle_size'"):
        open_runner("PortableRunner", [job_endpoint, "--bundel_size=3"])


def test_a_missing_java_is_said_before_any_work() -> None:
    with pytest.raises(UsageError, match="needs Java 17, and there is no program 'jav'"):
        open_runner("spark", ["--job_server_java_launcher=jav"])


@pytest.mark.parametrize("runner", ["spark", "PortableRunner"])
def test_workers_of_a_jar_do_not_end_with_the_driver(runner: str) -> None:
    java = "--job_server_java_launcher=sh"
    options = [java, "--environment_type=LOOPBACK", "--output_executable_path=job.jar"]
    with pytest.raises(UsageError, match="these workers end with this command"):
        open_runner(runner, options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--output_executable_path=no.jar"], r"was asked to write no\.jar; run it, then repeat"),
        (["--dry_run=True"], "built the graph and ran nothing .* without --dry_run, then repeat"),
        (["--template_location=gs://b/t"], "wrote the template gs://b/t; run it, then repeat"),
    ],
)
def test_a_job_that_is_handed_over_is_not_done(options: list[str], said: str) -> None:
    with pytest.raises(HandedOver, match=f"out: count_bytes is not done: .*{said}") as raised:
        run(engine(Idle, *options), WORK, lambda pipeline: None)
    assert raised.value.exit_code == 3


def test_the_command_that_runs_a_jar_is_named() -> None:
    options = PipelineOptions(["--output_executable_path=no.jar"])
    assert handed_over("SparkRunner", options) == (
        "was asked to write no.jar",
        "run it by `spark-submit --class org.apache.beam.runners.spark.SparkPipelineRunner no.jar`",
    )
    assert handed_over("SparkRunner", PipelineOptions([])) is None


def test_a_pipeline_has_a_name_that_says_its_step_and_its_output() -> None:
    Skipping.skipped = ""
    Skipping.names.clear()
    for work in (WORK, WORK, Work("count_bytes", "other", 1)):
        run(engine(Skipping), work, lambda pipeline: pipeline | beam.Create([1]))
    run(engine(Skipping, "--job_name=mine"), WORK, lambda pipeline: pipeline | beam.Create([1]))
    first, second, other, own = Skipping.names
    assert first == second != other and own == "mine"
    assert all(name.startswith("stackpile-count-bytes-") for name in (first, other))


def test_ctrl_c_cancels_the_job() -> None:
    Interrupted.cancelled = 0
    with pytest.raises(KeyboardInterrupt):
        run(engine(Interrupted), WORK, lambda pipeline: None)
    assert Interrupted.cancelled == 1


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
        run(runner, Work("fail", "out", 9), build)
    assert capfd.readouterr() == ("", "")
