"""Measure which near-duplicates are found, against exact Jaccard similarity and text-dedup.

Jaccard similarity is that of the sets of XXH32 hashes of shingles, from which signatures are made.
There are three measurements:

- Candidate pairs (with an equal band) among all pairs of real files, by `stack-v1.2`. Recall and
  precision at the threshold of the profile are compared with those that the curve
  1 - (1 - s^rows)^bands gives for the same pairs, for the shipped seed and on average over seeds:
  errors of pairs of similar files are not independent.
- Pairs of two versions of a file, and of a function before and after a fix, by `stackpile dedup`
  and by text-dedup, both in clusters. For F1 the profile is `stack-v2`, which has the tokens,
  shingles, permutations, bands and threshold of text-dedup, so one truth holds for both.
- Near-duplicates of the whole sample that are removed with each kind of verification.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.all_pairs import candidates, curve, of_pairs, similarities
from benchmarks.claims import Claim, main, say
from benchmarks.deduped import deduplicate, filter_texts, survivors
from benchmarks.minhash_signatures import read_texts
from benchmarks.peers.environment import ask, versions
from filters.dedup.minhash import Profile, load_profile, signatures
from manifests.prng.splitmix import derive_key, shuffled

KEY = derive_key(1, "dedup_quality")

FILES = int(os.environ.get("QUALITY_FILES", "5000"))
"""Number of files. All their pairs are compared."""

PAIRS = int(os.environ.get("QUALITY_PAIRS", "0")) or None
"""Number of pairs of each set, from its start. Default: all."""

SEEDS = int(os.environ.get("QUALITY_SEEDS", "24"))
"""Number of seeds of the average."""

RECALL = 0.97
"""Smallest share of the recall that the curve predicts. Ours: the shipped seed differs by 2 %."""

SURE, UNLIKE = 0.9, 0.3
"""Pairs above SURE must all be found, and pairs below UNLIKE must not."""

PACKAGES = ("apache-beam", "numba", "numpy", "pyarrow")

Mask = npt.NDArray[np.bool_]


class Pairs(NamedTuple):
    """A set of n pairs of texts, Arrow strings [n] twice."""

    name: str
    left: Any
    right: Any


def measure(data: Path) -> list[Claim]:
    """Run the three measurements."""
    texts = read_texts(data)
    sets = read_sets(data)
    return [*candidate_pairs(texts), *clusters(sets), *verified(texts)]


def candidate_pairs(texts: Any) -> list[Claim]:
    """Compare the candidate pairs with all pairs of some files of the sample."""
    profile = load_profile("stack-v1.2")
    few = texts.take(pa.array(shuffled(KEY, len(texts))[:FILES]))
    exact = similarities(few, profile)
    similar, likely = exact >= profile.threshold, curve(exact, profile)
    shipped, possible = candidates(few, profile)
    similar &= possible
    likely *= possible
    say(f"dedup_quality: {similar.sum():,} of {possible.sum():,} pairs are similar")
    for low, high in ((0.7, 0.8), (0.8, 0.9), (0.9, 1.0), (1.0, 1.1)):
        within = similar & (exact >= low) & (exact < high)
        if within.any():
            share, predicted = shipped[within].mean(), likely[within].mean()
            say(f"  {low:.1f}: {within.sum()} pairs, recall {share:.4f}, curve {predicted:.4f}")
    recalls, precisions = [], []
    for seed in range(SEEDS):
        drawn, _ = candidates(few, profile.model_copy(update={"seed": derive_key(KEY, seed) >> 32}))
        recalls.append(drawn[similar].mean())
        precisions.append(similar[drawn].mean())
    predicted = likely[similar].mean()
    say(f"  recall by seed: mean {np.mean(recalls):.4f}, deviation {np.std(recalls):.4f}")
    title = f"candidate pairs of {FILES:,} files"
    return [
        recall(f"{title}: recall, shipped seed", shipped[similar].mean(), predicted),
        recall(f"{title}: recall, mean of {SEEDS} seeds", np.mean(recalls), predicted),
        Claim(
            f"{title}: precision, mean of {SEEDS} seeds, against the curve's",
            float(np.mean(precisions)),
            float(likely[similar].sum() / likely.sum()),
            0.95,
            PACKAGES,
        ),
        Claim(
            f"{title}: precision, shipped seed, against the curve's",
            float(similar[shipped].mean()),
            float(likely[similar].sum() / likely.sum()),
            0.9,
            PACKAGES,
        ),
    ]


def recall(title: str, measured: Any, predicted: Any) -> Claim:
    """Return the claim that recall is not far below the recall of the curve."""
    return Claim(
        f"{title}, against the curve's", float(measured), float(predicted), RECALL, PACKAGES
    )


def read_sets(data: Path) -> list[Pairs]:
    """Return the pairs of texts in the corpus and beside it."""
    sets = []
    path = data / "truth" / "version_pairs.parquet"
    if path.exists():
        table = pq.read_table(path).slice(0, PAIRS)
        names = ["hexsha", "content"]
        files = [pq.read_table(file, columns=names) for file in data.glob("stack/data/*/*.parquet")]
        known = dict(
            zip(*(pa.concat_tables(files)[name].to_pylist() for name in names), strict=True)
        )
        sides = [[known[sha] for sha in table[f"hexsha_{side}"].to_pylist()] for side in "ab"]
        sets.append(Pairs("versions", *(pa.array(side, pa.large_string()) for side in sides)))
    path = data.parent / "neardup-truth" / "fixjs_pairs.parquet"
    if path.exists():
        table = pq.read_table(path).slice(0, PAIRS)
        before, after = (table[name].cast(pa.large_string()) for name in ("before", "after"))
        sets.append(Pairs("FixJS", before.combine_chunks(), after.combine_chunks()))
    return sets


def clusters(sets: Sequence[Pairs]) -> list[Claim]:
    """Compare the clusters of each set with the similarity of its pairs."""
    claims = []
    with tempfile.TemporaryDirectory() as place:
        for pairs in sets:
            directory = Path(place, pairs.name)
            texts = interleaved(pairs)
            filter_texts([texts], directory)
            claims += sure(pairs, directory)
            claims.append(f1(pairs, texts, directory))
    return claims


def interleaved(pairs: Pairs) -> Any:
    """Return both texts of pair i at 2i and 2i + 1: Arrow strings [2 n]."""
    order = np.arange(2 * len(pairs.left)).reshape(2, -1).T.ravel()
    return pa.concat_arrays([pairs.left, pairs.right]).take(pa.array(order))


def sure(pairs: Pairs, directory: Path) -> list[Claim]:
    """Return the claims that very similar pairs are found, and unlike pairs are not."""
    profile = load_profile("stack-v1.2")
    exact, signed = of_pairs(pairs.left, pairs.right, profile), both_signed(pairs, profile)
    deduplicate(directory, profile.name)
    clustered = together(survivors(directory, 2 * len(exact)))
    alike, unlike = signed & (exact > SURE), signed & (exact < UNLIKE)
    title = f"{pairs.name}, {len(exact):,} pairs, {profile.name}: "
    return [
        Claim(
            f"{title}of those over {SURE}, found",
            int((alike & clustered).sum()),
            int(alike.sum()),
            1,
            PACKAGES,
        ),
        Claim(
            f"{title}of those under {UNLIKE}, not found",
            int((unlike & ~clustered).sum()),
            int(unlike.sum()),
            1,
            PACKAGES,
        ),
    ]


def both_signed(pairs: Pairs, profile: Profile) -> Mask:
    """Tell which pairs have two signatures. Shorter texts are compared by another rule."""
    left, right = (signatures(side, profile).has_signature for side in (pairs.left, pairs.right))
    return left & right


def together(labels: npt.NDArray[np.int64]) -> Mask:
    """Tell which pairs have equal labels: int64 [2 n], as `interleaved` -> bool [n]."""
    return np.asarray(labels[0::2] == labels[1::2])


def f1(pairs: Pairs, texts: Any, directory: Path) -> Claim:
    """Return the claim that F1 is at least that of text-dedup."""
    profile = load_profile("stack-v2")
    exact, signed = of_pairs(pairs.left, pairs.right, profile), both_signed(pairs, profile)
    truth = exact >= profile.threshold

    def score(predicted: Mask) -> float:
        right, wrong = (predicted & truth & signed).sum(), ((predicted != truth) & signed).sum()
        return float(2 * right / max(1, 2 * right + wrong))

    scores = {}
    for verify in ("none", "exact"):
        deduplicate(directory, profile.name, verify)
        scores[verify] = score(together(survivors(directory, 2 * len(exact))))
    peer = score(together(text_dedup(texts, directory)))
    say(f"dedup_quality: {pairs.name}, F1: ours {scores}, text-dedup {peer:.4f}")
    title = (
        f"{pairs.name}, F1 of {int(signed.sum()):,} pairs at {profile.threshold}, {profile.name}"
    )
    return Claim(
        f"{title}, against text-dedup's", scores["none"], peer, 1, PACKAGES, versions("text-dedup")
    )


def text_dedup(texts: Any, directory: Path) -> npt.NDArray[np.int64]:
    """Return the cluster of each text by text-dedup, int64 [n]."""
    file, work = directory / "texts.parquet", directory / "text-dedup"
    pq.write_table(pa.table({"text": texts}), file)
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(work)}
    labels = ask("text-dedup", "text_dedup_minhash", str(file), str(work), **offline)
    return np.array(labels, np.int64)


def verified(texts: Any) -> list[Claim]:
    """Count the near-duplicates of the sample that are removed with each kind of verification."""
    with tempfile.TemporaryDirectory() as place:
        filter_texts([texts], Path(place, "all"))
        removed = {}
        for verify in ("none", "signatures", "exact"):
            done = deduplicate(Path(place, "all"), "stack-v1.2", verify)
            removed[verify] = done["rejected"]["minhash"]
            say(f"dedup_quality: of {len(texts):,} files, verify = {verify!r}: {done['rejected']}")
    title = "removed near-duplicates of the sample, stack-v1.2, verify = {!r}, against 'none'"
    return [
        Claim(title.format(verify), removed[verify], removed["none"], 0, PACKAGES)
        for verify in ("signatures", "exact")
    ]


if __name__ == "__main__":
    main("benchmarks.dedup_quality", measure)
