"""The same documents are kept, however the corpus is cut into parts and read."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from filters.dedup.minhash import load_profile
from manifests.errors import DataError, UsageError
from manifests.io import parquet
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import save_manifest
from manifests.verify.cleanup import plan_cleanup, remove
from manifests.verify.verify import verify
from pipelines.dedup.deduplication import Limits
from pipelines.preparation import rejections
from pipelines.runtime.runners import Runner
from tests.corpora import code
from tests.documents import (
    ONE,
    TWO,
    Row,
    deduplicate,
    document,
    kept_documents,
    removed_rows,
    write_filtered,
)
from tests.pipelines.dedup.corpora import PRIORITIES, chained, cut, edited, mixed_corpus


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    output = tmp_path_factory.mktemp("reference")
    write_filtered(output, cut(mixed_corpus(), 1, 0))
    manifest = deduplicate(output, PRIORITIES)
    assert set(rejections(manifest.funnel)) == {"exact", "normalized", "minhash"}
    verified = verify(load_chain(str(output / "dedup")), lambda done, total: None)
    assert not [fault for fault in verified.faults if "/dedup/" in fault]
    return kept_documents(output)


FOUR = Runner(options=("--direct_num_workers=4",))

SMALL = Limits(hashes_per_round=1, min_columns=9, hashes_per_range=50, documents_per_task=25)
"""Limits that cut the job into several pipelines, ranges and tasks."""


@dataclass(frozen=True)
class Interrupted(Runner):
    """An engine that runs one pipeline and is interrupted at the next one."""

    started: list[bool] = field(default_factory=list)

    def engine(self) -> Any:
        """Return the engine for a pipeline."""
        if self.started:
            raise KeyboardInterrupt
        self.started.append(True)
        return super().engine()


@pytest.mark.parametrize(("parts", "runner"), [(3, FOUR), (17, TWO)])
def test_cut_order_and_number_of_workers_change_nothing(
    tmp_path: Path, reference: list[Any], parts: int, runner: Any
) -> None:
    write_filtered(tmp_path, cut(mixed_corpus(), parts, parts))
    deduplicate(tmp_path, PRIORITIES, runner)
    assert kept_documents(tmp_path) == reference


def test_files_are_opened_as_often_for_one_range_of_clusters_as_for_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Counter[str] = Counter()
    whole = parquet.open_parquet

    def counted(url: str) -> Any:
        opened[Path(url).relative_to(tmp_path).parts[2]] += 1
        return whole(url)

    monkeypatch.setattr(parquet, "open_parquet", counted)
    rows = [document(code(seed // 2)) for seed in range(40)]
    counts = []
    for documents in (40, 4):
        opened.clear()
        output = tmp_path / str(documents)
        write_filtered(output, [rows[part::3] for part in range(3)])
        deduplicate(output, limits=Limits(documents_per_task=documents), verify="exact")
        ranges = len(list((output / "dedup/clusters").glob("*/*-ranked.parquet")))
        counts.append((ranges, opened["clusters"] / ranges, opened["signatures"]))
    # Of each range, the ranked documents are read twice and those that remain once.
    assert [count[:2] for count in counts] == [(1, 3), (10, 3)]
    assert counts[0][2] == counts[1][2]


def test_an_interrupted_run_continues_after_the_last_finished_pipeline(
    tmp_path: Path, reference: list[Any]
) -> None:
    """With small limits, which change nothing either."""
    write_filtered(tmp_path, cut(mixed_corpus(), 3, 5))
    interruptions, manifest = 0, None
    while manifest is None:
        try:
            manifest = deduplicate(tmp_path, PRIORITIES, Interrupted(ONE.name, ONE.options), SMALL)
        except KeyboardInterrupt:
            interruptions += 1
    # Signatures, three rounds of columns, clusters, duplicates.
    assert interruptions == 5
    assert len([path for path in manifest.tables if path.startswith("clusters/")]) > 3
    assert kept_documents(tmp_path) == reference


def test_the_survivor_has_the_best_rank(tmp_path: Path, reference: list[Any]) -> None:
    write_filtered(tmp_path, cut(mixed_corpus(), 3, 9))
    deduplicate(tmp_path, PRIORITIES)
    assert kept_documents(tmp_path) == reference
    rows = {}
    for part in pq.read_table(tmp_path / "license_filter/parts.parquet").to_pylist():
        url = tmp_path / f"license_filter/documents/{part['name']}.parquet"
        for number, row in enumerate(pq.read_table(url).to_pylist()):
            rows[part["part"], number] = row

    def rank(row: Row) -> tuple[Any, ...]:
        return row["heldout"], PRIORITIES[row["source"]], -row["stars"], row["id"]

    for place, duplicate in removed_rows(tmp_path).items():
        kept = rows[duplicate["kept_part"], duplicate["kept_row"]]
        assert (kept["id"], rows[place]["id"]) == (duplicate["kept_id"], duplicate["id"])
        assert rank(kept) <= rank(rows[place])
        if duplicate["rule"] == "exact":
            assert kept["text"] == rows[place]["text"] and duplicate["similarity"] == 1


def test_losses_are_counted_by_pair_of_sources(tmp_path: Path) -> None:
    texts = [code(seed) for seed in range(10)]
    a, b = [document(t) for t in texts], [document(t, "b") for t in [*texts, texts[0], "z = 1"]]
    write_filtered(tmp_path, [a, b])
    manifest = deduplicate(tmp_path, PRIORITIES, max_removed=0.1)
    assert manifest.counts["lost_to"] == {"b -> a": 11}
    assert manifest.counts["cluster_sizes"] == {"2": 9, "3": 1}


def test_a_rule_that_removes_too_much_within_a_source_stops_the_job(tmp_path: Path) -> None:
    write_filtered(tmp_path, [[document(code(seed // 4)) for seed in range(40)]])
    with pytest.raises(
        DataError, match=r"rule exact removes 30 of the 40 documents of a \(75.0 %\)"
    ):
        deduplicate(tmp_path, max_removed=0.6)
    assert not (tmp_path / "dedup/manifest.json").exists()
    assert rejections(deduplicate(tmp_path, max_removed=0.8).funnel) == {"exact": 30}


def similarities(output: Path) -> list[float]:
    return [row["similarity"] for row in removed_rows(output).values()]


def test_documents_below_the_threshold_are_kept_unless_nothing_is_verified(tmp_path: Path) -> None:
    rows = [*chained(60), *[document(code(3), path=f"copy {i}") for i in range(30)]]
    totals = {}
    for way in ("none", "signatures", "exact"):
        write_filtered(tmp_path / way, [rows])
        manifest = deduplicate(tmp_path / way, verify=way)
        totals[way] = manifest.totals.documents
        counted = manifest.counts["verified"]
        assert isinstance(counted, dict)
        below = sum(value < 0.7 for value in similarities(tmp_path / way))
        assert counted["removed_below_threshold"] == below
        assert counted["kept_apart"] == manifest.totals.documents - 2
        assert (below > 0) == (way == "none")
    assert totals["none"] == 2 and 5 < totals["signatures"] < 30 and 5 < totals["exact"] < 60


def jaccard(left: str, right: str) -> float:
    from tests.filters.dedup.test_minhash import PROFILES, shingles

    a, b = (shingles(text, PROFILES["stack-v1.2"]) for text in (left, right))
    return len(a & b) / len(a | b)


def test_exact_verification_compares_the_texts(tmp_path: Path) -> None:
    rows = [*chained(30), *[document(row["text"], path="again") for row in chained(30)[::3]]]
    write_filtered(tmp_path, [rows[::2], rows[1::2]])
    manifest = deduplicate(tmp_path, runner=TWO)
    parts = [rows[::2], rows[1::2]]
    removed = removed_rows(tmp_path)
    for (part, place), duplicate in removed.items():
        kept = parts[duplicate["kept_part"]][duplicate["kept_row"]]
        assert (duplicate["kept_part"], duplicate["kept_row"]) not in removed
        exact = jaccard(parts[part][place]["text"], kept["text"])
        assert duplicate["similarity"] == pytest.approx(exact, abs=1e-6)
        assert duplicate["similarity"] >= 0.7
    left = kept_documents(tmp_path)
    assert len({text for *_, text in left}) == len(left) < 30
    sizes = Counter((row["kept_part"], row["kept_row"]) for row in removed.values())
    for row in removed.values():
        assert row["cluster_size"] == 1 + sizes[row["kept_part"], row["kept_row"]]
    histogram = Counter(str(1 + size) for size in sizes.values())
    assert manifest.counts["cluster_sizes"] == histogram and len(sizes) > 1
    verified = manifest.counts["verified"]
    assert isinstance(verified, dict) and verified["kept_apart"] == len(left) - 1
    again = deduplicate(tmp_path, runner=ONE)
    assert again == manifest


def test_files_of_exact_verification_are_cleaned_away_and_made_again(tmp_path: Path) -> None:
    """The run that wrote them keeps them: another run of the same command may be reading them."""
    write_filtered(tmp_path, [chained(20)])
    manifest = deduplicate(tmp_path)
    left = [path for path in (tmp_path / "dedup/exact").rglob("*") if path.is_file()]
    assert {path.suffix for path in left} == {".u32", ".npy"}
    assert not {str(path) for path in left} & {
        f"{file.directory}/{file.path}" for file in plan_cleanup(str(tmp_path / "dedup")).files
    }
    for path in (tmp_path / "dedup").rglob("*"):
        os.utime(path, (0, 0))
    remove(plan_cleanup(str(tmp_path / "dedup")))
    assert not any(path.exists() for path in left)
    assert deduplicate(tmp_path) == manifest


def test_a_previous_corpus_loses_nothing_and_needs_no_documents(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write_filtered(old, [[document(code(i), stars=0) for i in (1, 2, 2, 3)]])
    deduplicate(old)
    before = {path: path.read_bytes() for path in old.rglob("*.parquet")}
    for path in (old / "license_filter/documents").iterdir():
        path.unlink()
    rows = [document(text, stars=9) for text in (code(2), code(4), edited(3, 1), code(4))]
    write_filtered(new, [rows])
    manifest = deduplicate(new, previous_corpora=[str(old / "dedup")])
    assert rejections(manifest.funnel) == {"previous_corpus": 2, "exact": 1}
    assert manifest.counts["lost_to"] == {"a -> a": 1, "a -> a (previous corpus)": 2}
    removed = removed_rows(new)
    assert {place: (row["kept_part"], row["kept_row"]) for place, row in removed.items()} == {
        (0, 0): (1, 1),
        (0, 2): (1, 3),
        (0, 3): (0, 1),
    }
    assert removed[0, 0]["similarity"] == 1 and 0.7 < removed[0, 2]["similarity"] < 1
    assert {path: path.read_bytes() for path in before if path.exists()}.items() <= before.items()
    verified = verify(load_chain(str(new / "dedup")), lambda done, total: None)
    assert not [fault for fault in verified.faults if "/dedup/" in fault]


def test_removed_documents_of_a_previous_corpus_have_no_duplicates(tmp_path: Path) -> None:
    chain = chained(60)
    old, new = tmp_path / "old", tmp_path / "new"
    write_filtered(old, [chain[:1] + chain[1:40]])
    deduplicate(old, verify="none")
    write_filtered(new, [chain[40:]])
    manifest = deduplicate(new, previous_corpora=[str(old / "dedup")], verify="none")
    assert rejections(manifest.funnel) == {"minhash": 19}


def test_a_previous_corpus_has_a_finished_dedup_of_the_same_settings(
    tmp_path: Path,
) -> None:
    write_filtered(tmp_path / "old", [[document(code(1))]])
    write_filtered(tmp_path / "new", [[document(code(1))]])
    old = str(tmp_path / "old/dedup")
    with pytest.raises(UsageError, match="holds no finished dedup"):
        deduplicate(tmp_path / "new", previous_corpora=[old])
    other = deduplicate(tmp_path / "old", profile="fineweb", scope="source")
    with pytest.raises(DataError, match=r"of profile 'fineweb', but this corpus has 'stack-v1\.2'"):
        deduplicate(tmp_path / "new", previous_corpora=[old])
    ours = {"profile_digest": load_profile("stack-v1.2").digest}
    save_manifest(old, other.model_copy(update={"extra": ours}))
    with pytest.raises(DataError, match="has scope 'source', but this corpus has 'all'"):
        deduplicate(tmp_path / "new", previous_corpora=[old])


@pytest.mark.parametrize("scope", ["source", "component"])
def test_copies_outside_the_scope_are_left_alone(tmp_path: Path, scope: str) -> None:
    a = [document(code(1)), document(code(1), component="a/c"), document(code(2))]
    write_filtered(tmp_path, [a, [document(code(2), "b")]])
    deduplicate(tmp_path, PRIORITIES, scope=scope)
    assert len(removed_rows(tmp_path)) == (1 if scope == "source" else 0)


def test_a_corpus_without_documents_and_one_with_a_single_document(tmp_path: Path) -> None:
    write_filtered(tmp_path / "none", [])
    assert deduplicate(tmp_path / "none").totals.documents_in == 0
    write_filtered(tmp_path / "one", [[], [document("x")], []])
    assert deduplicate(tmp_path / "one").totals.documents == 1


def test_documents_that_share_boilerplate_are_verified_and_counted(tmp_path: Path) -> None:
    license = code(1, lines=30)
    rows = [document(license + code(seed, lines=10)) for seed in range(100, 160)]
    rows += [document(code(seed)) for seed in range(200, 260)]
    write_filtered(tmp_path, [rows[::2], rows[1::2]])
    counts = deduplicate(tmp_path, verify="signatures").counts
    verified = counts["verified"]
    assert isinstance(verified, dict)
    assert verified["clusters"] == 1 and verified["documents"] > 50
    assert verified["kept_apart"] == len(kept_documents(tmp_path)) - 61 - (
        60 - verified["documents"]
    )


def test_equal_empty_and_endless_documents(tmp_path: Path) -> None:
    endless = "token " * 3_000_000
    texts = [*[code(1)] * 500, *[""] * 300, " \n", endless, f"{endless}\n", "x", "y"]
    write_filtered(tmp_path, [[document(text) for text in texts[part::2]] for part in range(2)])
    manifest = deduplicate(tmp_path, runner=TWO, limits=Limits(serial_row_group=1 << 10))
    assert {text for *_, text in kept_documents(tmp_path)} >= {code(1), "x", "y"}
    assert manifest.totals.documents == 5
    # Of the empty documents the one with a space has the best rank, by its id.
    assert rejections(manifest.funnel) == {"exact": 499, "normalized": 301}
    assert manifest.counts["cluster_sizes"] == {"2": 1, "301": 1, "500": 1}
