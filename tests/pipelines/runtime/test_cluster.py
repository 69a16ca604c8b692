"""What is set so that a job fills the machines of an engine, and what is said."""

import os
import sys

import pytest

from manifests.errors import UsageError
from pipelines.runtime.cluster import Cluster, settings
from pipelines.runtime.runners import open_runner

TWO_BY_EIGHT = Cluster(2, 8)
STANDALONE = "--spark_master_url=spark://host:7077"
JAVA = "--job_server_java_launcher=sh"


@pytest.mark.parametrize(
    ("engine", "given", "options"),
    [
        (
            "SparkRunner",
            [STANDALONE],
            [
                "--experiments=pre_optimize=all",
                "--sdk_worker_parallelism=8",
                "--environment_cache_millis=60000",
                "--job_server_jvm_properties=-Dspark.default.parallelism=32",
            ],
        ),
        (
            "FlinkRunner",
            ["--flink_master=h:1"],
            ["--sdk_worker_parallelism=8", "--environment_cache_millis=60000", "--parallelism=16"],
        ),
        (
            "DataflowRunner",
            [],
            [
                "--num_workers=2",
                "--max_num_workers=2",
                "--number_of_worker_harness_threads=1",
            ],
        ),
        (
            "PortableRunner",
            ["--job_endpoint=h:1"],
            ["--sdk_worker_parallelism=8", "--environment_cache_millis=60000"],
        ),
    ],
)
def test_the_options_of_two_machines_with_eight_cores(
    engine: str, given: list[str], options: list[str]
) -> None:
    assert settings(engine, given, TWO_BY_EIGHT).options == options


@pytest.mark.parametrize(
    ("master", "cores"), [("local", 1), ("local[3]", 3), ("local[*]", os.cpu_count())]
)
def test_a_spark_master_in_the_job_server_has_its_threads_and_as_many_processes(
    master: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    chosen = settings("SparkRunner", [f"--spark_master_url={master}"], Cluster())
    assert f"--sdk_worker_parallelism={cores}" in chosen.options
    assert f"--job_server_jvm_properties=-Dspark.default.parallelism={2 * cores}" in chosen.options
    assert "--experiments=use_loopback_process_worker" in chosen.options
    assert not chosen.elsewhere
    monkeypatch.setenv("PATH", "/nowhere")
    chosen = settings("SparkRunner", [f"--spark_master_url={master}"], Cluster())
    assert "--experiments=use_loopback_process_worker" not in chosen.options
    assert "`python` of PATH" in chosen.elsewhere[0]


@pytest.mark.parametrize(
    ("engine", "given", "cluster", "said"),
    [
        ("SparkRunner", [STANDALONE], Cluster(), "--workers and --cores"),
        ("SparkRunner", ["--job_endpoint=h:1"], TWO_BY_EIGHT, "spark.default.parallelism=32"),
        ("SparkRunner", ["--output_executable_path=a.jar"], TWO_BY_EIGHT, "spark-submit --conf"),
        ("DataflowRunner", [], TWO_BY_EIGHT, "--machine_type, which has the 8 cores"),
    ],
)
def test_what_somebody_else_must_set_is_said(
    engine: str, given: list[str], cluster: Cluster, said: str
) -> None:
    assert any(said in clause for clause in settings(engine, given, cluster).elsewhere)


def test_options_that_are_given_stay_as_they_are() -> None:
    partitions = "--job_server_jvm_properties=-Dspark.default.parallelism=5"
    given = ["--sdk_worker_parallelism=3", "--environment_cache_millis=0", partitions]
    assert settings("SparkRunner", [STANDALONE, *given], TWO_BY_EIGHT).options == [
        "--experiments=pre_optimize=all"
    ]


def test_an_image_runs_the_workers() -> None:
    image = Cluster(image="me/stackpile:1")
    assert settings("DataflowRunner", [], image).options == [
        "--sdk_container_image=me/stackpile:1",
        "--sdk_location=container",
    ]
    assert settings("FlinkRunner", [], image).options == [
        "--environment_config=me/stackpile:1",
        "--environment_type=DOCKER",
    ]


def test_the_local_engine_has_cores_and_nothing_else() -> None:
    assert open_runner("local", [], Cluster(cores=3)).workers(9) == 3
    for cluster in (Cluster(workers=2), Cluster(image="me/stackpile:1")):
        with pytest.raises(UsageError, match="the local engine runs on this machine alone"):
            open_runner(None, [], cluster)


def test_the_notice_says_what_was_set_and_what_was_not() -> None:
    engine = open_runner("PortableRunner", ["--job_endpoint=h:1"], Cluster(2, 4))
    assert engine.notice.startswith("PortableRunner: --sdk_worker_parallelism=4 --environment")
    assert "; not set: --workers and --cores" in open_runner("spark", [STANDALONE, JAVA]).notice
    assert open_runner("local", []).notice == ""
