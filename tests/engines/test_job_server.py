"""The jar of Beam's Spark job server."""

from tests.engines.job_server import manifest


def test_long_headers_of_a_jar_are_continued():
    lines = manifest({"Class-Path": "x" * 200}).split("\r\n")
    assert all(len(line.encode()) <= 72 for line in lines)
    assert "".join(line.removeprefix(" ") for line in lines) == "Class-Path: " + "x" * 200
