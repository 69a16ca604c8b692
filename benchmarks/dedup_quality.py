"""Which near-duplicates are found: against exact Jaccard similarity, and against text-dedup.

Jaccard similarity is everywhere over the sets that a profile's signatures are of: the XXH32 hashes
of its shingles. Three measurements:

- Candidate pairs (a band in common) of real files by `stack-v1.2`, against all their pairs: recall
  and precision at the profile's threshold beside what the curve 1 - (1 - s^rows)^bands makes of the
  same pairs; with the shipped seed, and on average over seeds, for pairs of one family of files
  share their luck.
- Pairs of two versions of a file, and of a function before and after a fix: our job and
  text-dedup's, both in clusters. For F1 the profile is `stack-v2`, which has text-dedup's tokens,
  shingles, permutations, bands and threshold, so that one truth serves both.
- How many near-duplicates of the whole sample stay when each is compared with its survivor.
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
from manifests.prng.splitmix import derive, shuffled

KEY = derive(1, "dedup_quality")

FILES = int(os.environ.get("QUALITY_FILES", "5000"))
"""Files of which all pairs are compared."""

PAIRS = int(os.environ.get("QUALITY_PAIRS", "0")) or None
"""Pairs of each set, from its start; all when not given."""

SEEDS = int(os.environ.get("QUALITY_SEEDS", "24"))
"""Seeds that are averaged over."""

NEAR = 0.02
"""How near recall is to be to what the curve predicts."""

SURE, UNLIKE = 0.9, 0.3
"""Above it every pair is found, below it none."""

PACKAGES = ("apache-beam", "numba", "numpy", "pyarrow")

Mask = npt.NDArray[np.bool_]


class Pairs(NamedTuple):
    """A set of n pairs of texts, Arrow strings [n] twice."""

    name: str
    left: Any
    right: Any


def measure(data: Path) -> list[Claim]:
    """Measure all three."""
    texts = read_texts(data)
    sets = read_sets(data)
    return [*candidate_pairs(texts), *clusters(sets), *verified(texts)]


def candidate_pairs(texts: Any) -> list[Claim]:
    """Compare candidate pairs with all pairs of files drawn from the sample."""
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
            recall, predicted = shipped[within].mean(), likely[within].mean()
            say(f"  {low:.1f}: {within.sum()} pairs, recall {recall:.4f}, curve {predicted:.4f}")
    recalls, precisions = [], []
    for seed in range(SEEDS):
        found, _ = candidates(few, profile.model_copy(update={"seed": derive(KEY, seed) >> 32}))
        recalls.append(found[similar].mean())
        precisions.append(similar[found].mean())
    predicted = likely[similar].mean()
    say(f"  recall by seed: mean {np.mean(recalls):.4f}, deviation {np.std(recalls):.4f}")
    title = f"candidate pairs of {FILES:,} files"
    return [
        near(f"{title}, shipped seed", shipped[similar].mean(), predicted),
        near(f"{title}, mean of {SEEDS} seeds", np.mean(recalls), predicted),
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


def near(title: str, recall: Any, predicted: Any) -> Claim:
    """Claim that recall is near enough to what is predicted."""
    told = f"{title}: distance of recall {recall:.4f} from the curve's {predicted:.4f}, {NEAR} set"
    return Claim(told, NEAR, max(1e-4, abs(float(recall) - float(predicted))), 1, PACKAGES)


def read_sets(data: Path) -> list[Pairs]:
    """Return the pairs of texts that lie in and beside the corpus."""
    found = []
    path = data / "truth" / "version_pairs.parquet"
    if path.exists():
        table = pq.read_table(path).slice(0, PAIRS)
        names = ["hexsha", "content"]
        files = [pq.read_table(file, columns=names) for file in data.glob("stack/data/*/*.parquet")]
        known = dict(
            zip(*(pa.concat_tables(files)[name].to_pylist() for name in names), strict=True)
        )
        sides = [[known[sha] for sha in table[f"hexsha_{side}"].to_pylist()] for side in "ab"]
        found.append(Pairs("versions", *(pa.array(side, pa.large_string()) for side in sides)))
    path = data.parent / "neardup-truth" / "fixjs_pairs.parquet"
    if path.exists():
        table = pq.read_table(path).slice(0, PAIRS)
        before, after = (table[name].cast(pa.large_string()) for name in ("before", "after"))
        found.append(Pairs("FixJS", before.combine_chunks(), after.combine_chunks()))
    return found


def clusters(sets: Sequence[Pairs]) -> list[Claim]:
    """Compare clusters with the similarity of the pairs in them."""
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
    """Return both texts of pair i as numbers 2i and 2i + 1: Arrow strings [2 n]."""
    order = np.arange(2 * len(pairs.left)).reshape(2, -1).T.ravel()
    return pa.concat_arrays([pairs.left, pairs.right]).take(pa.array(order))


def sure(pairs: Pairs, directory: Path) -> list[Claim]:
    """Claim that the default profile finds what is very similar, and nothing that is not."""
    profile = load_profile("stack-v1.2")
    exact, signed = of_pairs(pairs.left, pairs.right, profile), both_signed(pairs, profile)
    deduplicate(directory, profile.name)
    found = together(survivors(directory, 2 * len(exact)))
    alike, unlike = signed & (exact > SURE), signed & (exact < UNLIKE)
    title = f"{pairs.name}, {len(exact):,} pairs, {profile.name}: "
    return [
        Claim(
            f"{title}of those over {SURE}, found",
            int((alike & found).sum()),
            int(alike.sum()),
            1,
            PACKAGES,
        ),
        Claim(
            f"{title}of those under {UNLIKE}, not found",
            int((unlike & ~found).sum()),
            int(unlike.sum()),
            1,
            PACKAGES,
        ),
    ]


def both_signed(pairs: Pairs, profile: Profile) -> Mask:
    """Tell which pairs have two signatures: texts too short for one go by another rule."""
    left, right = (signatures(side, profile).has_signature for side in (pairs.left, pairs.right))
    return left & right


def together(labels: npt.NDArray[np.int64]) -> Mask:
    """Tell which pairs have one label: int64 [2 n], as `interleaved` -> bool [n]."""
    return np.asarray(labels[0::2] == labels[1::2])


def f1(pairs: Pairs, texts: Any, directory: Path) -> Claim:
    """Claim that ours finds pairs no worse than text-dedup does."""
    profile = load_profile("stack-v2")
    exact, signed = of_pairs(pairs.left, pairs.right, profile), both_signed(pairs, profile)
    truth = exact >= profile.threshold

    def score(found: Mask) -> float:
        right, wrong = (found & truth & signed).sum(), ((found != truth) & signed).sum()
        return float(2 * right / max(1, 2 * right + wrong))

    scores = {}
    for verify in ("large", "exact"):
        deduplicate(directory, profile.name, verify)
        scores[verify] = score(together(survivors(directory, 2 * len(exact))))
    peer = score(together(text_dedup(texts, directory)))
    say(f"dedup_quality: {pairs.name}, F1: ours {scores}, text-dedup {peer:.4f}")
    title = (
        f"{pairs.name}, F1 of {int(signed.sum()):,} pairs at {profile.threshold}, {profile.name}"
    )
    return Claim(
        f"{title}, against text-dedup's", scores["large"], peer, 1, PACKAGES, versions("text-dedup")
    )


def text_dedup(texts: Any, directory: Path) -> npt.NDArray[np.int64]:
    """Return the number of each text's cluster, int64 [n], by text-dedup."""
    file, work = directory / "texts.parquet", directory / "text-dedup"
    pq.write_table(pa.table({"text": texts}), file)
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(work)}
    found = ask("text-dedup", "text_dedup_minhash", str(file), str(work), **offline)
    return np.array(found, np.int64)


def verified(texts: Any) -> list[Claim]:
    """Tell how many of the sample's near-duplicates go when each is compared with its survivor."""
    with tempfile.TemporaryDirectory() as place:
        filter_texts([texts], Path(place, "all"))
        removed = {}
        for verify in ("large", "all", "exact"):
            done = deduplicate(Path(place, "all"), "stack-v1.2", verify)
            removed[verify] = done["rejected"]["minhash"]
            say(f"dedup_quality: of {len(texts):,} files, verify = {verify!r}: {done['rejected']}")
    title = "near-duplicates of the sample that go, stack-v1.2, verify = {!r}, against 'large'"
    return [
        Claim(title.format(verify), removed[verify], removed["large"], 0, PACKAGES)
        for verify in ("all", "exact")
    ]


if __name__ == "__main__":
    main("benchmarks.dedup_quality", measure)
