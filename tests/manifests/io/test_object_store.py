"""Calls of a store: tried again where that helps, and told in one sentence where it does not."""

import sys
import time
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from manifests.errors import DataError, UsageError
from manifests.io import files, object_store


class Flaky(MemoryFileSystem):
    """A store of which some calls fail: `plan` says how many, and with what."""

    protocol = "flaky"
    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012 - as in the class it is made from
    pseudo_dirs = [""]  # noqa: RUF012
    plan: list[Exception | None] = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("flaky://", "memory://"))

    def _fail(self):
        if Flaky.plan and (error := Flaky.plan.pop(0)):
            raise error

    def info(self, path, **kwargs):
        self._fail()
        return super().info(path, **kwargs)

    def ls(self, path, detail=True, **kwargs):
        self._fail()
        return super().ls(path, detail, **kwargs)

    def cat_file(self, path, start=None, end=None, **kwargs):
        self._fail()
        return super().cat_file(path, start, end, **kwargs)

    def put_file(self, lpath, rpath, **kwargs):
        self._fail()
        super().put_file(lpath, rpath, **kwargs)


@pytest.fixture(autouse=True)
def flaky(monkeypatch):
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    monkeypatch.setattr(object_store, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(Flaky, "store", {})
    monkeypatch.setattr(Flaky, "pseudo_dirs", [""])
    monkeypatch.setattr(Flaky, "plan", [])
    for name in ("a/b/1.txt", "a/b/2.txt", "a/3.txt", "a/b/c/4.txt"):
        files.write_bytes(f"flaky://{name}", name.encode())


def works(url="flaky://a/3.txt"):
    return {
        "read": lambda: files.read_bytes(url),
        "range": lambda: files.read_range(url, 2, 3),
        "size": lambda: files.size(url),
        "exists": lambda: files.exists(url),
        "write": lambda: files.write_bytes(url, b"new"),
        "glob": lambda: files.glob("flaky://a/**/*.txt"),
        "list": lambda: files.list_names("flaky://a"),
        "sizes": lambda: files.sizes("flaky://a"),
    }


@pytest.mark.parametrize("name", works())
@pytest.mark.parametrize("error", [OSError("503 Slow Down"), RuntimeError("connection reset")])
def test_a_call_that_failed_is_made_again(name, error):
    wanted = works()[name]()
    Flaky.plan = [error, None, error, None]
    assert works()[name]() == wanted
    assert files.read_bytes("flaky://a/3.txt") == (b"new" if name == "write" else b"a/3.txt")


@pytest.mark.parametrize("name", works())
def test_a_store_that_stays_down_is_one_sentence_and_never_an_empty_answer(name):
    Flaky.plan = [OSError("503 Slow Down\nrequest 7")] * object_store.ATTEMPTS
    with pytest.raises(
        DataError, match=r"^flaky://a.*: the store failed 7 times in a row: 503 Slow"
    ):
        works()[name]()
    assert not Flaky.plan
    assert files.read_bytes("flaky://a/3.txt") == b"a/3.txt"


def test_what_is_not_there_is_not_asked_for_again():
    Flaky.plan = [None]
    assert not files.exists("flaky://a/nothing")
    with pytest.raises(DataError, match="there is no such file"):
        files.read_bytes("flaky://a/nothing")
    assert files.list_names("flaky://nowhere") == []
    files.remove("flaky://a/nothing")


def test_denied_access_is_told_at_once():
    Flaky.plan = [PermissionError("403 Forbidden")]
    with pytest.raises(DataError, match="the store denies access: 403 Forbidden"):
        files.size("flaky://a/3.txt")


def test_waits_double(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(object_store, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(time, "sleep", waits.append)
    Flaky.plan = [OSError("503")] * object_store.ATTEMPTS
    with pytest.raises(DataError):
        files.size("flaky://a/3.txt")
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2])


def test_a_store_that_takes_fewer_bytes_than_it_was_given_is_not_believed(monkeypatch):
    whole = Flaky.put_file

    def short(self, lpath, rpath, **kwargs):
        whole(self, lpath, rpath, **kwargs)
        Flaky.store["/" + rpath.strip("/")].truncate(1)

    monkeypatch.setattr(Flaky, "put_file", short)
    with pytest.raises(DataError, match="the store has 1 of 4 bytes"):
        files.write_bytes("flaky://a/5.txt", b"four")
    assert not files.exists("flaky://a/5.txt")


def test_size_and_version_are_one_request(monkeypatch):
    requested, info = [], Flaky.info

    def counted(store, path, **kwargs):
        requested.append(path)
        return info(store, path, **kwargs)

    monkeypatch.setattr(Flaky, "info", counted)
    assert files.stamp("flaky://a/3.txt") == (7, "7")  # a store without etags and times
    assert len(requested) == 1


@pytest.mark.parametrize("request_file", [files.size, files.stamp, files.open_input])
def test_a_missing_file_is_named_by_its_url(request_file):
    with pytest.raises(FileNotFoundError) as caught:
        request_file("flaky://a/none")
    assert caught.value.filename == "flaky://a/none"


def test_a_reader_sees_no_half_of_a_file_where_the_store_shows_files_that_are_being_written(
    monkeypatch,
):
    """HDFS and SFTP show them; a memory:// file system that does stands in for both."""
    seen: list[list[Any]] = []
    whole = Flaky.put_file

    def put_and_look(self, lpath, rpath, **kwargs):
        whole(self, lpath, rpath, **kwargs)
        Flaky.store["/" + rpath.strip("/")].truncate(1)
        seen.append([files.read_bytes("flaky://a/3.txt"), *files.list_names("flaky://a")])
        whole(self, lpath, rpath, **kwargs)

    monkeypatch.setattr(Flaky, "put_file", put_and_look)
    files.write_bytes("flaky://a/3.txt", b"longer")
    assert seen == [[b"a/3.txt", "3.txt", "b"]]
    assert files.read_bytes("flaky://a/3.txt") == b"longer"
    assert sorted(files.sizes("flaky://a")) == ["3.txt", "b/1.txt", "b/2.txt", "b/c/4.txt"]


def test_a_file_that_shrinks_while_it_is_read_is_told():
    with files.open_input("flaky://a/3.txt") as source:
        files.write_bytes("flaky://a/3.txt", b"a/")
        with pytest.raises(DataError, match="ends at byte 2, not at 7: it was replaced"):
            source.read()


def test_patterns():
    assert files.glob("flaky://a/b/*.txt") == ["flaky:///a/b/1.txt", "flaky:///a/b/2.txt"]
    assert files.glob("flaky://a/*/2.*") == ["flaky:///a/b/2.txt"]
    assert files.glob("flaky://a/3.txt") == ["flaky:///a/3.txt"]
    assert len(files.glob("flaky://a/**/*.txt")) == 4
    assert files.glob("flaky://nowhere/*") == []


def test_only_directories_that_a_pattern_reaches_are_listed(monkeypatch):
    listed: list[str] = []
    whole = Flaky.ls

    def noted(self, path, **more):
        listed.append(path)
        return whole(self, path, **more)

    monkeypatch.setattr(Flaky, "ls", noted)
    files.glob("flaky://a/*/2.*")
    assert listed == ["/a", "/a/b"]


def test_a_file_is_gone_through_in_any_order():
    with files.open_input("flaky://a/b/1.txt") as source:
        assert source.seekable()
        assert source.seek(-3, 2) == 6
        assert source.read(1) == b"t"
        assert source.seek(1) == 1
        assert source.read(3) == b"/b/"
        assert source.tell() == 4
        assert source.seek(2, 1) == 6
        assert source.read() == b"txt"
        assert source.read() == b""


@pytest.mark.parametrize(
    ("protocol", "package", "module"),
    [("gs", "gcsfs", "gcsfs"), ("hf", "huggingface_hub", "huggingface_hub")],
)
def test_a_missing_package_is_named(monkeypatch, protocol, package, module):
    monkeypatch.setitem(sys.modules, module, None)
    registry = sys.modules["fsspec.registry"]
    monkeypatch.setattr(registry, "_registry", {})
    monkeypatch.setattr(registry, "registry", {})
    url = f"{protocol}://datasets/a.parquet"
    with pytest.raises(UsageError, match=rf"{url}: no installed .*: pip install {package}$"):
        files.open_input(url)


def test_an_unknown_protocol_is_told():
    with pytest.raises(UsageError, match=r"nothing://a: cannot be opened: .*nothing"):
        files.exists("nothing://a")


def test_what_a_kind_of_store_cannot_do_is_told_at_once(monkeypatch):
    """fsspec's base class says so of all that a store does not define."""
    fsspec.register_implementation("bare", fsspec.AbstractFileSystem, clobber=True)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it was tried again"))
    with pytest.raises(UsageError, match=r"^bare://a/b: this kind of store does not"):
        object_store.call("bare://a/b", lambda store, path: store.cat_file(path))
