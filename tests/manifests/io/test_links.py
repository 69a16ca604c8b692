"""A finished file's second place: a link where there can be one, else a copy, whole or nothing."""

import os

import pytest

from manifests.errors import DataError
from manifests.io import files


def test_a_link_or_a_copy(tmp_path, monkeypatch):
    source, target = str(tmp_path / "a"), str(tmp_path / "deep" / "b")
    files.write_bytes(source, b"tokens")
    for _ in range(2):
        files.link_or_copy(source, target)
        assert os.path.samefile(source, target)
    other = str(tmp_path / "c")

    def no_links(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    files.link_or_copy(source, other)
    assert files.read_bytes(other) == b"tokens"
    assert not os.path.samefile(source, other)
    assert sorted(os.listdir(tmp_path)) == ["a", "c", "deep"]
    assert os.listdir(tmp_path / "deep") == ["b"]


@pytest.mark.parametrize("target", ["{}/b", "memory://links/b"])
def test_no_such_file(tmp_path, target):
    with pytest.raises(DataError, match="a: there is no such file"):
        files.link_or_copy(str(tmp_path / "a"), target.format(tmp_path))
    with pytest.raises(DataError, match=r"^memory://links/a: there is no such file"):
        files.link_or_copy("memory://links/a", target.format(tmp_path))
    assert not os.listdir(tmp_path)
