"""The composed transform, inside a user's own pipeline."""

from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing import test_pipeline as testing
from apache_beam.testing.util import assert_that, equal_to

from manifests.lineage.receipts import Receipt, load_receipt
from pipelines.corpus.dedup_table import Dedup
from pipelines.dedup.deduplication import Deduplication
from pipelines.dedup.duplicates import receipt_name
from pipelines.dedup.minhash_dedup import MinHashDedup
from pipelines.dedup.parts import DocumentsPart, read_signed_parts, write_tables
from pipelines.runtime.beam_options import LocalOptions
from tests.corpora import code
from tests.documents import deduplicate, document, write_filtered
from tests.pipelines.dedup.corpora import PRIORITIES, chained, cut, mixed_corpus


def run_transform(dedup: Deduplication, parts: Path, expected: list[Receipt]) -> None:
    """Run MinHashDedup on the rows of parts.parquet, and check its receipts."""
    rows = pq.read_table(parts).to_pylist()
    with testing.TestPipeline(runner=FnApiRunner(), options=LocalOptions([])) as pipeline:
        receipts = pipeline | beam.Create(rows[::-1]) | "Dedup" >> MinHashDedup(dedup)
        assert_that(receipts, equal_to(expected))


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the directory of a finished dedup."""
    old = tmp_path_factory.mktemp("old")
    write_filtered(old, [[document(code(seed)) for seed in range(5)]])
    deduplicate(old)
    return [str(old / "dedup")]


@pytest.mark.parametrize("verify", ["signatures", "exact"])
def test_the_transform_finds_the_duplicates_of_the_command(
    tmp_path: Path, previous: list[str], verify: str
) -> None:
    write_filtered(tmp_path, [*cut(mixed_corpus(), 2, 1), chained(40)])
    config = Dedup(verify=verify, max_removed=1, previous_corpora=previous)
    manifest = deduplicate(tmp_path, PRIORITIES, **config.model_dump())
    parts = tmp_path / "license_filter/parts.parquet"
    names = pq.read_table(parts)["name"].to_pylist()
    receipts = [
        load_receipt(str(tmp_path / "dedup"), receipt_name(name, manifest.digest)) for name in names
    ]
    dedup = Deduplication(
        directory=str(tmp_path / "transform"),
        documents=str(tmp_path / "license_filter/documents"),
        config=config,
        priorities=PRIORITIES,
        digest=manifest.digest,
    )
    run_transform(dedup, parts, [receipt for receipt in receipts if receipt])
    for name in ("previous_parts.parquet", *(f"duplicates/{name}.parquet" for name in names)):
        by_command, by_transform = tmp_path / "dedup" / name, tmp_path / "transform" / name
        assert by_transform.read_bytes() == by_command.read_bytes()


def test_previous_parts_are_numbered_after_the_last_part(
    tmp_path: Path, previous: list[str]
) -> None:
    rows = [
        DocumentsPart(part=part, name=str(part), source="a", documents=1, sha256="0" * 64)
        for part in (5, 0, 2)
    ]
    write_tables(str(tmp_path), rows, Dedup(previous_corpora=previous))
    assert [part.part for part in read_signed_parts(str(tmp_path), previous)] == [0, 2, 5, 6]


def test_the_transform_of_no_parts_yields_no_receipts(tmp_path: Path) -> None:
    write_filtered(tmp_path, [])
    dedup = Deduplication(
        str(tmp_path / "dedup"), str(tmp_path / "license_filter/documents"), Dedup(), {}, "0" * 64
    )
    run_transform(dedup, tmp_path / "license_filter/parts.parquet", [])


def upstream(pipeline: beam.Pipeline, step: str) -> set[str]:
    """Return the names of all transforms whose output a step needs, also as a side input."""
    transforms = pipeline.to_runner_api().components.transforms.values()
    leaves = [transform for transform in transforms if not transform.subtransforms]
    producer = {output: leaf for leaf in leaves for output in leaf.outputs.values()}
    names: set[str] = set()
    todo = [leaf for leaf in leaves if leaf.unique_name.startswith(step)]
    while todo:
        for collection in todo.pop().inputs.values():
            needed = producer[collection]
            if needed.unique_name not in names:
                names.add(needed.unique_name)
                todo.append(needed)
    return names


def test_a_step_waits_until_the_files_that_it_reads_are_written() -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=LocalOptions([]))
    dedup = Deduplication("dedup", "documents", Dedup(verify="exact"), {}, "0" * 64)
    _ = pipeline | beam.Create([{"part": 0}]) | "Dedup" >> MinHashDedup(dedup)
    for step, needed in (
        ("Dedup/SpanningForests/LinkInParts", "Dedup/Signatures/Do"),
        ("Dedup/Clusters/ExactThreshold/Apply", "Dedup/Clusters/ExactJaccard/Compare"),
        ("Dedup/Duplicates/Do", "Dedup/Clusters/Receipt"),
    ):
        assert any(name.startswith(needed) for name in upstream(pipeline, step)), step
