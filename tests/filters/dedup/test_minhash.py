import hashlib
import re

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup.minhash import load_profile, minima, optimal_banding, signatures, similarity
from manifests.errors import UsageError
from tests.manifests.prng.plain_splitmix import derive

NAMES = ["stack-v1.2", "stack-v1.2-clean", "stack-v1.0", "stack-v2", "fineweb"]
PROFILES = {name: load_profile(name) for name in NAMES}

some_texts = st.lists(
    st.text("ab_9 .\n\té😀", max_size=60) | st.text(max_size=60), min_size=1, max_size=4
)


def shingles(text, profile):
    """Return the shingles by their definition; None for a text that is too short."""
    tokens = re.split(profile.separator, text.lower() if profile.lower else text)
    if not profile.keep_empty:
        tokens = [token for token in tokens if token]
    if len(tokens) < profile.min_tokens:
        return None
    count = len(tokens) - profile.shingle + 1
    return {" ".join(tokens[i : i + profile.shingle]).encode() for i in range(count)}


def by_datasketch(text, profile):
    sketch = MinHash(
        num_perm=profile.permutations,
        seed=profile.seed,
        scheme=profile.scheme,
        hashfunc=xxhash.xxh32_intdigest,
    )
    sketch.update_batch(list(shingles(text, profile)))
    return sketch.hashvalues


def compare(texts, profile):
    column = pa.array(texts, pa.large_string())
    values, has_signature = minima(column, profile)
    signed = signatures(column, profile)
    bands, rows = profile.banding
    assert signed.bands.shape == (len(texts), bands)
    for i, text in enumerate(texts):
        assert has_signature[i] == signed.has_signature[i] == (shingles(text, profile) is not None)
        if not has_signature[i]:
            assert not signed.bands[i].any()
            continue
        expected = by_datasketch(text, profile)
        np.testing.assert_array_equal(values[i], expected)
        for band in range(bands):
            key = band
            for minimum in expected[band * rows : (band + 1) * rows].tolist():
                key = derive(key, minimum)
            assert signed.bands[i, band] == key


@pytest.mark.parametrize("name", NAMES)
def test_signatures_of_real_files_equal_those_of_datasketch(name, real_texts):
    compare(real_texts.to_pylist()[::4], PROFILES[name])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(texts=some_texts)
def test_signatures_of_any_text_equal_those_of_datasketch(name, texts):
    # re.split returns one empty token for "", and join_tokens returns none.
    compare([text or "-" for text in texts], PROFILES[name])


SIGNED = {
    "stack-v1.2": "9351b51669baf028",
    "stack-v1.2-clean": "82829bd944938f7a",
    "stack-v1.0": "62d26a61f07b9083",
    "stack-v2": "b90bdc8c57974994",
    "fineweb": "e983a0a4bc23b388",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_keeps_its_signatures(name):
    """Signatures are kept on disk: another seed, hash, scheme or banding is another profile."""
    text = "def f(a, b):\n    return Größe_1(a) + b  # " + " ".join(f"word{i}" for i in range(50))
    signed = signatures(pa.array([text], pa.large_string()), PROFILES[name])
    data = signed.bands.astype("<u8").tobytes() + signed.sketches.astype("<u8").tobytes()
    assert hashlib.blake2b(data, digest_size=8).hexdigest() == SIGNED[name]


def test_short_documents_have_no_signature():
    column = pa.array(["", "a b c d", "a b c d e", None, "\n\n\n\n"], pa.large_string())
    assert signatures(column, PROFILES["stack-v1.2"]).has_signature.tolist() == [
        False,
        False,
        True,
        False,
        True,
    ]
    assert signatures(column, PROFILES["stack-v1.2-clean"]).has_signature.tolist() == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_signatures_of_long_and_repetitive_documents_equal_those_of_datasketch():
    varied = " ".join(f"w{i}" for i in range(30_000))
    compare(["word " * 100_000, varied, varied + " " + varied], PROFILES["stack-v1.2-clean"])


def test_documents_do_not_influence_one_another(real_texts):
    profile = PROFILES["stack-v1.2"]
    together = signatures(real_texts, profile).bands
    alone = [signatures(real_texts.slice(i, 1), profile).bands[0] for i in range(len(real_texts))]
    np.testing.assert_array_equal(together, alone)


def test_documents_beyond_the_first_chunk_are_signed_alike():
    texts = [f"a b c d {i % 7}" for i in range(9_000)]
    signed = signatures(pa.array(texts, pa.large_string()), PROFILES["stack-v1.2"])
    assert signed.has_signature.all()
    assert len(np.unique(signed.bands[:, 0])) <= 7
    np.testing.assert_array_equal(signed.bands[0], signed.bands[8_995])


def test_similar_files_share_bands_and_others_do_not(real_texts):
    profile = PROFILES["stack-v1.2"]
    texts = [max(real_texts.to_pylist(), key=len), min(real_texts.to_pylist(), key=len)]
    edited = texts[0].replace("import", "include", 1)
    signed = signatures(pa.array([texts[0], edited, texts[1]], pa.large_string()), profile)
    shared = (signed.bands[0] == signed.bands[1:]).mean(axis=1)
    assert shared[0] > 0.7 and shared[1] < 0.1
    sketches = signed.sketches
    assert similarity(sketches[:1], sketches[1:2], 256).dtype == np.float32
    assert similarity(sketches[:1], sketches[1:2], 256)[0] > 0.9
    assert similarity(sketches[:1], sketches[2:], 256)[0] < 0.2
    assert similarity(sketches, sketches, 256).tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_sketches_estimate_jaccard_similarity(name):
    profile = PROFILES[name]
    words = [f"w{i}" for i in range(1500)]
    texts = [" ".join(words[start : start + 1000]) for start in range(0, 500, 10)]
    sketches = signatures(pa.array(texts, pa.large_string()), profile).sketches
    assert sketches.shape == (len(texts), profile.sketch_words)
    sets = [shingles(text, profile) for text in texts]
    exact = np.array([len(sets[0] & other) / len(sets[0] | other) for other in sets])
    estimated = similarity(np.repeat(sketches[:1], len(texts), 0), sketches, profile.permutations)
    # Neighbors share most of their minima, so that errors are not independent.
    assert np.abs(estimated - exact).max() < 3.5 * 0.043 * (256 / profile.permutations) ** 0.5
    assert np.abs((estimated - exact).mean()) < 2 * 0.043 * (256 / profile.permutations) ** 0.5


def test_one_token_fifty_million_times_takes_seconds_and_little_memory():
    text = pa.array(["a " * 50_000_000, "a " * 50], pa.large_string())
    signed = signatures(text, PROFILES["stack-v1.2-clean"])
    np.testing.assert_array_equal(signed.bands[0], signed.bands[1])


@pytest.mark.parametrize("name", ["stack-v1.2", "stack-v1.0", "stack-v2"])
def test_shipped_bandings_are_optimal(name):
    profile = PROFILES[name]
    assert profile.banding == optimal_banding(profile.threshold, profile.permutations)


def test_the_default_profile_has_the_parameters_of_bigcode():
    profile = PROFILES["stack-v1.2"]
    assert (profile.banding, profile.shingle, profile.permutations) == ((25, 10), 5, 256)


def write(path, changes):
    text = (
        'name = "own"\nversion = 1\norigin = "me"\nseparator = " "\nshingle = 3\n'
        "min_tokens = 3\nseed = 1\npermutations = 64\nthreshold = 0.5\n"
    )
    path.write_text(text + changes)
    return str(path)


def test_a_users_own_profile(tmp_path):
    profile = load_profile(write(tmp_path / "own.toml", ""))
    assert profile.banding == optimal_banding(0.5, 64)
    compare(["a-b c d e", "x y"], profile)
    bands, rows = profile.banding
    same = load_profile(write(tmp_path / "same.toml", f"bands = {bands}\nrows = {rows}\n"))
    assert same.digest == profile.digest
    other = load_profile(write(tmp_path / "other.toml", "lower = true\n"))
    assert other.digest != profile.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("bands = 4\n", "bands and rows"),
        ("bands = 9\nrows = 8\n", "72 permutations"),
        ('hash = "md5"\n', "hash"),
        ("shingles = 3\n", "did you mean 'shingle'"),
    ],
)
def test_a_profile_with_a_fault_is_refused_with_its_field(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        load_profile(write(tmp_path / "bad.toml", changes))


@pytest.mark.parametrize("separator", ["(", "x", " *"])
def test_a_separator_that_cannot_split_texts_is_refused(tmp_path, separator):
    path = write(tmp_path / "bad.toml", "")
    text = (tmp_path / "bad.toml").read_text().replace('" "', f"'{separator}'")
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match="separator"):
        load_profile(path)


def test_an_unknown_profile_is_refused_with_the_known_names():
    with pytest.raises(UsageError, match=r"'stack'.*stack-v1\.2"):
        load_profile("stack")
