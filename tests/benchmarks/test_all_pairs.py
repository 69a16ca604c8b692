import numpy as np
import pyarrow as pa

from benchmarks.all_pairs import candidates, curve, of_pairs, similarities
from filters.dedup.minhash import load_profile, signatures

PROFILE = load_profile("stack-v1.2")

WORDS = [f"w{i}" for i in range(60)]

TEXTS = pa.array(
    [
        *(" ".join(WORDS[start : start + 40]) for start in range(0, 20, 2)),
        " ".join(WORDS[:40]),
        "",
        "too short",
        "nothing at all like any of the others",
        "w1 w2 w3 w4 w5 " * 9,
    ],
    pa.large_string(),
)

PAIRS = [(i, j) for i in range(len(TEXTS)) for j in range(i)]


def test_similarities_are_those_of_sets_of_shingles():
    texts = TEXTS.to_pylist()
    words = [text.split(" ") for text in texts]
    sets = [{tuple(tokens[at : at + 5]) for at in range(len(tokens) - 4)} for tokens in words]
    expected = [len(sets[i] & sets[j]) / max(1, len(sets[i] | sets[j])) for i, j in PAIRS]
    similarity = similarities(TEXTS, PROFILE)
    np.testing.assert_allclose(similarity, expected, rtol=1e-6)
    assert {0, 1} < set(similarity.tolist())
    left, right = (TEXTS.take(pa.array([pair[side] for pair in PAIRS])) for side in (0, 1))
    np.testing.assert_array_equal(of_pairs(left, right, PROFILE), similarity)


def test_candidates_share_a_band():
    is_candidate, possible = candidates(TEXTS, PROFILE)
    signed = signatures(TEXTS, PROFILE)
    share = [(signed.bands[i] == signed.bands[j]).any() for i, j in PAIRS]
    both = [signed.has_signature[i] and signed.has_signature[j] for i, j in PAIRS]
    np.testing.assert_array_equal(possible, both)
    np.testing.assert_array_equal(is_candidate, np.array(share) & both)
    assert 0 < is_candidate.sum() < possible.sum() < len(PAIRS)


def test_the_curve_is_that_of_25_bands_of_10_rows():
    likely = curve(np.array([0, 0.6, 0.7, 0.8, 1.0]), PROFILE)
    np.testing.assert_allclose(likely, [0, 0.1407, 0.5115, 0.9416, 1], atol=1e-4)
