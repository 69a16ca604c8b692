"""What the tests of engines share; `make engines` fetches the engines first."""

from pathlib import Path

import pytest

from tests.engines.job_server import job_server_jar


@pytest.fixture(scope="session")
def spark_jar() -> Path:
    """Return the jar of Beam's Spark job server, beside which Spark's jars lie."""
    return job_server_jar()
