import pytest

from filters.opt_outs import load_opt_outs
from manifests.errors import UsageError

LIST = """
# asked by mail
octocat
Someone/Tool   # all of it
some/thing/src/a.py
some/other/docs/
some/sharp/src/C#/Program.cs   # a "#" inside a path is no comment
some/sharp/F#/
0123456789abcdef0123456789abcdef
"""
ID = bytes.fromhex("0123456789abcdef0123456789abcdef")


@pytest.fixture
def opt_outs(tmp_path):
    path = tmp_path / "opt-outs.txt"
    path.write_text(LIST)
    return load_opt_outs([str(path)])


@pytest.mark.parametrize(
    ("repositories", "path", "id", "entry"),
    [
        (["a/b"], "c", bytes(16), None),
        ([], "", bytes(16), None),
        ([None, ""], "", bytes(16), None),
        ([], "", ID, f"id {ID.hex()}"),
        (["OctoCat/x"], "c", bytes(16), "owner octocat"),
        (["a/b", None, "octocat/x"], "c", bytes(16), "owner octocat"),
        (["octocats/x"], "c", bytes(16), None),
        (["octocat"], "c", bytes(16), "owner octocat"),
        (["a/b", "someone/tool"], "c", bytes(16), "repository someone/tool"),
        (["someone/tools"], "c", bytes(16), None),
        (["Some/Thing"], "src/a.py", bytes(16), "path some/thing/src/a.py"),
        (["some/thing"], "src/A.py", bytes(16), None),
        (["some/thing"], "src/a.pyx", bytes(16), None),
        (["some/other"], "docs/deep/a", bytes(16), "path some/other/docs/"),
        (["some/other"], "docs", bytes(16), None),
        (["some/sharp"], "src/C#/Program.cs", bytes(16), "path some/sharp/src/C#/Program.cs"),
        (["some/sharp"], "src/C", bytes(16), None),
        (["some/sharp"], "F#/a.fs", bytes(16), "path some/sharp/F#/"),
    ],
)
def test_a_document_matches_by_any_of_its_repositories(opt_outs, repositories, path, id, entry):
    assert opt_outs.matches([repositories], [path], [id]) == [entry]


def test_all_entries_that_match_a_document_are_named(tmp_path):
    path = tmp_path / "opt-outs.txt"
    path.write_text(f"a\na/b\na/b/c/d\na/b/c/\na/b/c/d/\nb/c\n{ID.hex()}\n")
    opt_outs = load_opt_outs([str(path)])
    assert list(opt_outs.entries(["A/B", None, "a/b"], "c/d", ID)) == [
        f"id {ID.hex()}",
        *["owner a", "repository a/b", "path a/b/c/d", "path a/b/c/"] * 2,
    ]
    assert set(opt_outs.entries(["b/c", "a/b"], "c/d/e", bytes(16))) == {
        *["repository b/c", "owner a", "repository a/b", "path a/b/c/", "path a/b/c/d/"]
    }


def test_no_lists_match_no_document():
    nothing = load_opt_outs([])
    assert len(nothing) == 0 and nothing.matches([["a/b"]], ["c"], [ID]) == [None]


def test_the_digest_is_of_the_entries_in_any_order(tmp_path, opt_outs):
    names = []
    for number, line in enumerate(reversed(LIST.splitlines())):
        path = tmp_path / f"{number}.txt"
        path.write_text(line + "\n" + line)
        names.append(str(path))
    assert load_opt_outs(names) == opt_outs
    assert load_opt_outs(names).digest == opt_outs.digest != load_opt_outs(names[2:]).digest


@pytest.mark.parametrize(
    "entry", ["two words", "https://github.com/a/b", "/a", "a//b", "a#b", "a/b#c"]
)
def test_a_bad_entry_is_an_error_with_its_line(tmp_path, entry):
    path = tmp_path / "list.txt"
    path.write_text(f"octocat\n{entry}\n")
    with pytest.raises(UsageError, match=r"list\.txt: line 2: .* is not an owner"):
        load_opt_outs([str(path)])


def test_a_missing_file_or_a_file_that_is_not_utf8_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="there is no such file"):
        load_opt_outs([str(tmp_path / "none")])
    (tmp_path / "latin").write_bytes(b"\xe9\n")
    with pytest.raises(UsageError, match="is not UTF-8"):
        load_opt_outs([str(tmp_path / "latin")])
