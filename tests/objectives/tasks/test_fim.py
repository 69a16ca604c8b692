"""The laws of filling in the middle."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.dataset.token_range import Window
from manifests.errors import UsageError
from manifests.tokenizer.byte_symbols import byte_symbols
from manifests.tokenizer.tokenizer import load_text_tokenizer, train_tokenizer
from objectives.tasks.fim import FillInTheMiddle, Settings
from objectives.tasks.spans import split_segments
from tests.objectives.rows import (
    CONTROL,
    LAWS,
    addresses_of,
    assert_alone_as_in_a_batch,
    assert_padded,
    keys,
    row_of,
    sources,
)
from tests.objectives.windows import addresses_in, lengths_of

SENTINELS = (50295, 50296, 50297)
PREFIX, SUFFIX, MIDDLE = SENTINELS
BETWEEN = Settings(level="token", sentinels=SENTINELS)
INSIDE = Settings(sentinels=SENTINELS)
TEXTS = [
    "for 中文 in übergröße:\n\treturn 'naïve' # 中文中文 🦀🦀\n" * 20,
    "the theory of the thing " * 20,
]


@settings(max_examples=LAWS)
@given(
    sources,
    st.integers(0, 40),
    keys,
    st.builds(
        lambda rate, spm, shortest: BETWEEN.model_copy(
            update={"rate": rate, "spm_rate": spm, "shortest": shortest}
        ),
        st.floats(0, 1),
        st.floats(0, 1),
        st.integers(1, 12),
    ),
)
def test_rows_cut_between_tokens_are_well_formed_and_restore(windows, spare, key, chosen):
    objective = FillInTheMiddle(CONTROL, chosen)
    row = row_of(objective, windows, spare, key)
    expected = addresses_in(windows)
    assert np.array_equal(objective.restore(row.tokens, row.segment_ids), expected)
    assert_padded(row)
    assert (row.loss_weights[1 : row.used] == 1).all()
    parts = split_segments(row.tokens, row.segment_ids)
    rearranged = sum(check_form(part) for part in parts)
    eligible = np.count_nonzero(lengths_of(windows) >= chosen.shortest)
    assert rearranged <= min(spare // 3, eligible)
    if chosen.rate == 1:
        assert rearranged == min(spare // 3, eligible)
    assert row.used == len(expected) + 3 * rearranged


def check_form(part):
    """Check one document of a row; return whether it is rearranged."""
    result = [int(token) for token in part if token in SENTINELS]
    if result:
        assert result == [PREFIX, SUFFIX, MIDDLE]
        assert part[0] == PREFIX
        assert CONTROL.end not in part[:-1]
    return bool(result)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_bytes(train_tokenizer(TEXTS, 400, 4))
    return str(path)


class Texts:
    """Windows of texts, and texts of tokens."""

    def __init__(self, path):
        self.path, self.tokenizer = path, load_text_tokenizer(path)
        numbers = {symbol: number for number, symbol in enumerate(byte_symbols())}
        self.spelled = {
            number: bytes(numbers[symbol] for symbol in text)
            for text, number in self.tokenizer.get_vocab().items()
        } | {CONTROL.end: b"<end>"}

    def window(self, texts):
        ids = [self.tokenizer.encode(text).ids for text in texts]
        tokens = np.array([i for id in ids for i in id], np.uint16)
        return Window(tokens, np.cumsum([len(id) + 1 for id in ids]) - 1)

    def objective(self, **changed):
        """An objective that cuts inside tokens."""
        objective = FillInTheMiddle(CONTROL, INSIDE.model_copy(update=changed))
        objective.prepare(self.path)
        return objective

    def bytes_of(self, tokens):
        return b"".join(self.spelled[token] for token in tokens.tolist())


@pytest.fixture(scope="module")
def texts(path):
    return Texts(path)


ALPHABET = st.sampled_from("the ory中文ü🦀\n'")


@settings(max_examples=LAWS)
@given(st.lists(st.text(ALPHABET, max_size=60), min_size=1, max_size=5), st.integers(0, 40), keys)
def test_rows_cut_inside_tokens_are_well_formed_and_restore(texts, written, spare, key):
    objective = texts.objective(rate=1.0, shortest=2)
    window = texts.window(written)
    row = row_of(objective, [window], spare, key)
    assert_padded(row)
    assert len(row.tokens) == len(addresses_in([window])) + spare
    back = texts.bytes_of(objective.restore(row.tokens, row.segment_ids))
    assert back == "".join(text + "<end>" for text in written).encode()
    for part in split_segments(row.tokens, row.segment_ids):
        check_form(part)
        if part[0] == PREFIX:  # cuts are between characters
            for piece in pieces_of(part):
                texts.bytes_of(piece).decode()


def pieces_of(part):
    """What lies between a document's sentinels and its end."""
    part = part[: len(part) - int(part[-1] == CONTROL.end)]
    at = [0, *np.flatnonzero(np.isin(part, [SUFFIX, MIDDLE])).tolist(), len(part)]
    return [part[a + 1 : b] for a, b in pairwise(at)]


@given(
    st.lists(
        st.tuples(st.lists(st.text(ALPHABET, max_size=40), min_size=1, max_size=3), keys),
        min_size=1,
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
def test_a_row_does_not_depend_on_the_others(texts, written, order):
    drawn = [([texts.window(item)], key) for item, key in written]
    assert_alone_as_in_a_batch(texts.objective(), drawn, 12, order)


def test_cuts_are_uniform_over_characters(texts):
    """Three characters, whatever their tokens: both cuts are on any of four places."""
    objective = texts.objective(rate=1.0, spm_rate=0.0, shortest=1)
    window = texts.window(["the"])
    seen: Counter[tuple[int, int]] = Counter()
    assert len(window.tokens) == 1
    for key in range(8_000):
        row = row_of(objective, [window], 20, key)
        (part,) = split_segments(row.tokens[: row.used], row.segment_ids[: row.used])
        front, back, _ = (texts.bytes_of(piece) for piece in pieces_of(part))
        seen[len(front), 3 - len(back)] += 1
    expected = {(a, b): 500 if a == b else 1000 for a in range(4) for b in range(a, 4)}
    assert set(seen) == set(expected)
    assert sum((seen[k] - e) ** 2 / e for k, e in expected.items()) < 27.9  # 99.9 % of 9


def test_rates_are_those_of_the_settings():
    orders: Counter[str] = Counter()
    chosen = BETWEEN.model_copy(update={"rate": 0.9, "spm_rate": 0.25})
    objective = FillInTheMiddle(CONTROL, chosen)
    for key in range(4_000):
        row = row_of(objective, [addresses_of([30])], 3, key * 7919)
        if row.tokens[0] != PREFIX:
            orders["plain"] += 1
        else:
            orders["spm" if row.tokens[1] == SUFFIX else "psm"] += 1
    # PSM with an empty prefix, one in 16, looks like SPM.
    expected = {"plain": 400, "spm": 900 + 2700 * 61 / 961, "psm": 2700 * 900 / 961}
    assert sum((orders[k] - e) ** 2 / e for k, e in expected.items()) < 13.8  # 99.9 % of 2


def test_a_segment_that_grows_by_more_than_there_is_stays_plain(texts):
    objective = texts.objective(rate=1.0, shortest=1)
    window = texts.window(["the theory of the thing"])
    rows = [row_of(objective, [window], 3, key) for key in range(200)]
    changed = [row for row in rows if row.tokens[0] == PREFIX]
    whole = set(window.tokens.tolist())
    assert 0 < len(changed) < 200
    for row in changed:  # its cuts are between tokens
        assert set(row.tokens.tolist()) <= whole | {*SENTINELS, CONTROL.end}


@pytest.mark.parametrize(("rate", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_a_rate_of_0_changes_no_segment_and_a_rate_of_1_all(texts, rate, share):
    objective = texts.objective(rate=rate, shortest=1)
    window = texts.window(["the theory of the thing"])
    rows = [row_of(objective, [window], 40, key) for key in range(200)]
    assert np.mean([row.tokens[0] == PREFIX for row in rows]) == share


def test_settings_override_the_sentinels_of_the_vocabulary():
    named = {"fim_prefix": 50295, "fim_suffix": 50297, "fim_middle": 50296}
    control = CONTROL.model_copy(update=named)
    assert FillInTheMiddle(control).sentinels == (50295, 50297, 50296)
    with pytest.raises(UsageError, match="are not in the tokenizer's vocabulary"):
        FillInTheMiddle(CONTROL)
    with pytest.raises(UsageError, match="must be below the vocabulary, 51200"):
        FillInTheMiddle(CONTROL, Settings(sentinels=(1, 2, 51200)))
    for sentinels in ((300, 300, 302), (300, 301, CONTROL.end)):
        with pytest.raises(UsageError, match=r"must be three tokens besides the end"):
            FillInTheMiddle(CONTROL, Settings(sentinels=sentinels))
