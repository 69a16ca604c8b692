import pytest

from manifests.io import files


@pytest.mark.parametrize(
    ("directory", "path", "resolved"),
    [
        (".", "out", "out"),
        ("a/b", "../out/", "a/out"),
        ("/a", "out", "/a/out"),
        ("/a", "/b/../out", "/out"),
        ("/a", "s3://bucket/out", "s3://bucket/out"),
        ("/a", "file:///out", "file:///out"),
        ("file:///a/b", "../out", "file:///a/out"),
        ("s3://bucket/a/", "../out", "s3://bucket/out"),
        ("s3://bucket", "/out", "/out"),
    ],
)
def test_a_relative_path_starts_at_the_directory(directory, path, resolved):
    assert files.resolve(directory, path) == resolved
