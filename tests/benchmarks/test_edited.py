import re
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import all_pairs, edited
from benchmarks.edited import copies

TEXT = "def f(a, b):\n    return fé(a) + größe * 'B' # " + "some words to edit " * 400

TEXTS = pa.array(["skipped", *[TEXT] * 200, "", "?! 1"], pa.large_string()).slice(1)


def shape(text: str) -> str:
    return re.sub("[A-Z]", "A", re.sub("[a-z]", "a", text))


def test_the_first_copy_is_the_corpus_and_the_others_differ():
    first, *others = copies(TEXTS, 3)
    assert first.equals(TEXTS)
    assert not others[0].equals(others[1])
    again = list(copies(TEXTS, 3))
    assert all(again[i].equals(copy) for i, copy in enumerate([first, *others]))
    for other in others:
        other.validate(full=True)
        assert other[-1].as_py() == "?! 1"


def test_some_words_become_others_of_their_length_and_nothing_else_changes():
    _, other = copies(TEXTS, 2)
    for text in other.to_pylist()[:200]:
        assert shape(text) == shape(TEXT)


def test_the_share_of_edited_words_is_drawn_for_each_text():
    _, other = copies(TEXTS, 2)
    words = np.array(TEXT.split())
    shares = [np.mean(np.array(text.split()) != words) for text in other.to_pylist()[:200]]
    assert 0 <= min(shares) < 0.01
    assert 0.09 < max(shares) < 0.12
    assert 0.04 < np.mean(shares) < 0.06


def test_compiled_functions_are_kept_apart_for_each_state_of_the_sources():
    kernels: list[Any] = [edited._edit, all_pairs._fill, all_pairs._compare]
    for kernel in kernels:
        assert "kernels-" in str(kernel.stats.cache_path)
