import gzip
import json
import string

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.benchmarks import MIN_BYTES, BenchmarkText, digest, load_benchmarks
from filters.decontamination import find, index_benchmarks
from manifests.errors import UsageError

LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def column(texts):
    return pa.array(texts, pa.large_string())


def folded(text):
    return " ".join("".join(" " if c in " \t\n\v\f\r" else c for c in text).split(" ")).translate(
        LOWER
    )


def squeezed(text):
    return " ".join(word for word in folded(text).split(" ") if word)


pieces = st.lists(st.sampled_from(["aB", "Ab", " ", "\n\t", "é", "x"]), max_size=30).map("".join)


@given(
    st.lists(pieces, max_size=5), st.lists(st.lists(pieces, max_size=4).map("".join), max_size=4)
)
def test_hits_are_those_of_a_search_for_substrings(sought, documents):
    texts = [BenchmarkText("made-up", str(i), "text", text) for i, text in enumerate(sought)]
    result = find(index_benchmarks(texts), column(documents))
    long_enough = [text for text in texts if len(squeezed(text.text).encode()) >= MIN_BYTES]
    for document, hit in zip(documents, result, strict=True):
        inside = squeezed(document)
        holding = {squeezed(text.text) for text in long_enough if squeezed(text.text) in inside}
        assert (hit is None) == (not holding)
        assert hit is None or squeezed(hit.text) in holding


def write(path, rows):
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


HUMANEVAL = {
    "task_id": "HumanEval/7",
    "prompt": 'def f(x):\n    """ Say the word that comes first of all words. """\n',
    "canonical_solution": "    for word in sorted(x):\n        return word\n",
}
PROSE = "one two three four five six seven eight nine ten eleven twelve thirteen"


@pytest.mark.parametrize(
    ("row", "document", "piece"),
    [
        (HUMANEVAL, "# SAY the word that\n#comes", None),
        (HUMANEVAL, "x = 1\n# say  THE word that comes first\n of all words. y", "prompt"),
        (HUMANEVAL, "for word in sorted(x):\r\n\treturn word", "solution"),
        ({**HUMANEVAL, "prompt": "def f(x):\n", "suffix": "    pass"}, "", None),
        (
            {
                "task_id": 11,
                "text": "Write a function to do it.",
                "code": "def it(x):\r\n  return 9",
            },
            "def it(x):\n    return 9\n",
            "code",
        ),
        ({"task_id": 10, "text": "Write a function to do it.", "code": "c" * 20}, "c" * 20, None),
        (
            {"task_id": "11", "text": "Write a function to do it.", "code": "c" * 20},
            "c" * 20,
            "code",
        ),
        ({"text": PROSE}, PROSE + " fourteen", "text"),
        ({"text": PROSE[:-9]}, PROSE, None),
        ({"goal": "short", "sol1": PROSE, "sol2": "short"}, PROSE, "sol1"),
        (
            {"prompts": ["{A} " + PROSE], "inputs": [{"A": "zero"}], "outputs": [], "id": "3"},
            "zero " + PROSE,
            "turn 0",
        ),
        (
            {"prompts": ["{A} " + PROSE], "inputs": [{"A": "zero"}], "outputs": [], "id": "3"},
            "{A} " + PROSE,
            "turn 0",
        ),
        ({"question": "How many are there of them?", "answer": "3"}, PROSE, None),
        (
            {"question": "How many are there of them?", "answer": "3"},
            "how many are THERE of them?",
            "question",
        ),
        (
            {"prompt": "Problem: sort them all\nBEGIN SOLUTION\nx", "reference_code": "x"},
            "problem: sort them all",
            "prompt",
        ),
        (
            {"task_id": 11, "prompt": "Write it for all of them.", "code": "", "test_list": []},
            "write it for all of them.",
            "text",
        ),
    ],
)
def test_each_format_has_its_pieces(tmp_path, row, document, piece):
    other = {"question": "Is there anything else in this file?"}
    texts = load_benchmarks([write(tmp_path / "Some.jsonl.gz", [row, other])])
    (hit,) = find(index_benchmarks(texts), column([document]))
    assert (hit and hit.piece) == piece
    if hit:
        task = str(row.get("task_id", row.get("id", 0)))
        assert str(hit).startswith(f"Some {task}, {piece}: ")


def test_exempt_and_short_solutions_are_not_searched_for(tmp_path):
    rows = [{**HUMANEVAL, "canonical_solution": "    return x +  y\n"}]
    rows += [{**HUMANEVAL, "prompt": 'def f():\n """ Say. """', "canonical_solution": "return 1"}]
    texts = load_benchmarks([write(tmp_path / "HumanEval.jsonl", rows)])
    assert find(index_benchmarks(texts), column(["return x + y", "return 1", None])) == [None] * 3


def test_equal_texts_have_the_name_of_the_first_file(tmp_path):
    first = write(tmp_path / "a.jsonl", [HUMANEVAL])
    second = write(tmp_path / "b.jsonl", [HUMANEVAL])
    texts = load_benchmarks([first, second])
    assert len(texts) == 4 and len(index_benchmarks(texts).texts) == 2
    hit = find(index_benchmarks(texts), column([HUMANEVAL["canonical_solution"]]))[0]
    assert hit is not None and hit.benchmark == "a"
    assert digest(texts) != digest(load_benchmarks([second, first]))


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        (
            "a.jsonl",
            b'{"unheard": 1}\n',
            r"row 1: the format is unknown; the keys are unheard",
        ),
        ("a.jsonl", b'{"text": "', "is not JSON lines, or is truncated"),
        ("a.jsonl", b"[1]\n", "a line is not an object"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 9)[:-9], "truncated"),
        ("a.jsonl.gz", b"not gzip", "truncated"),
        ("a.jsonl", b'{"question": "?"}\n{"question": null}', r"a\.jsonl: row 2 cannot be read"),
        ("a.jsonl", b'{"prompt": null, "reference_code": ""}', r"a\.jsonl: row 1 cannot be read"),
        ("a.jsonl", b'{"prompts": ["x"], "inputs": [3]}', r"a\.jsonl: row 1 cannot be read"),
        ("a.jsonl", b'{"question": ["x"]}', r"row 1 cannot be read: 'question' is not text"),
        ("a.jsonl", b'{"question": "\\ud800"}', r"row 1 cannot be read: 'question' is not text"),
        ("a.jsonl", b"", r"a\.jsonl: holds no text to search for"),
        ("a.jsonl", b'{"text": "x", "code": "y"}', "holds no text to search for"),
        (
            "a.jsonl",
            b'{"question": "Why \\n\\n\\n\\n is it?"}',
            "holds no text to search for",
        ),
    ],
    # Named, because what gzip writes holds the time, and every worker must collect the same tests.
    ids=[
        "unknown",
        "half a line",
        "a list",
        "half a file",
        "no gzip",
        "a null",
        "no prompt",
        "no names",
        "a list of questions",
        "half a character",
        "empty",
        "no test",
        "too short",
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path, name, data, sentence):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=sentence):
        load_benchmarks([str(tmp_path / name)])
    with pytest.raises(UsageError, match="there is no such file"):
        load_benchmarks([str(tmp_path / "none.jsonl")])


def test_no_benchmarks_have_no_hits():
    assert find(index_benchmarks([]), column(["a" * 100])) == [None]


def test_every_text_of_each_format_is_found_in_a_document_that_holds_it(tmp_path):
    rows = {
        "HumanEval.jsonl.gz": HUMANEVAL,
        "mbpp.jsonl": {"task_id": 11, "text": "Write a function of it.", "code": "def it(x): pass"},
        "mtpb.jsonl": {"prompts": ["{A} " + PROSE], "inputs": [{"A": "zero"}], "id": "3"},
        "lambada_test.jsonl": {"text": PROSE},
        "piqa_valid.jsonl": {"goal": PROSE + "?", "sol1": "a " + PROSE, "sol2": "b " + PROSE},
        "gsm8k.jsonl": {"question": "How many are there of them?", "answer": "3"},
        "ds1000.jsonl": {"prompt": "Problem: sort them all\nBEGIN SOLUTION", "reference_code": ""},
    }
    texts = load_benchmarks([write(tmp_path / name, [row]) for name, row in rows.items()])
    benchmarks = index_benchmarks(texts)
    assert {text.benchmark for text in benchmarks.texts} == {n.split(".")[0] for n in rows}
    documents = ["before\n" + text.text.translate(UPPER) + "\nafter" for text in benchmarks.texts]
    assert None not in find(benchmarks, column(documents))


def test_the_id_of_a_task_is_that_of_its_row_or_its_number(tmp_path):
    rows = [
        {"prompt": "Sort them all.", "reference_code": "", "metadata": {"problem_id": 77}},
        {"question": "How many are there of them?", "answer": "3"},
        {"question": "How many are there of these?", "problem_id": 4000, "solutions": ""},
    ]
    texts = load_benchmarks([write(tmp_path / "Some.jsonl", rows)])
    assert [text.task for text in texts] == ["77", "1", "4000"]
