"""The three jobs over a small corpus: which documents are kept, which rejected, and why."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.quality import registry
from manifests.dataset.dataset import Dataset
from manifests.errors import DataError, UsageError
from manifests.lineage.manifest import load_manifest
from manifests.tokenizer.tokenizer import dummy_ids
from objectives.tasks.registry import OBJECTIVES, choose_task_tokens
from pipelines.preparation import Preparation, load_preparation, rejections
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from tests.corpora import code, stack_row, write_stack

ONE = Runner(options=("--direct_num_workers=1",))


def prepare(corpus: Path) -> Preparation:
    preparation = load_preparation(str(corpus), runner=ONE)
    run_jobs(preparation)
    return preparation


def filter_licenses(corpus: Path, retry_failed: bool = False) -> Preparation:
    """Run the first job alone."""
    preparation = load_preparation(str(corpus), runner=ONE, retry_failed=retry_failed)
    run_jobs(preparation, ["license_filter"])
    return preparation


def digests(directory: str) -> dict[str, str]:
    """Return path -> SHA-256 of every file below a directory."""
    root = Path(directory)
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_every_document_is_kept_or_rejected_by_the_expected_rule(prepared_corpus: Path) -> None:
    preparation = prepare(prepared_corpus)
    assert rejections(load_manifest(preparation.license_filter).funnel) == {
        "component_not_chosen": 1,
        "empty": 1,
        "license_denied": 1,
        "license_unknown": 1,
        "max_line_length": 1,
        "null_text": 2,
    }
    deduped = load_manifest(preparation.dedup)
    assert rejections(deduped.funnel) == {"exact": 2, "minhash": 1, "normalized": 1}
    tokenized = load_manifest(preparation.tokenize)
    assert tokenized.totals.documents == deduped.totals.documents
    assert set(tokenized.components) == {
        "pile/pile-cc",
        "pile/wikipedia-en",
        "starcoderdata/python",
        "the-stack/cpp",
        "the-stack/python",
    }
    assert tokenized.heldout_components
    dataset = Dataset.open(preparation.tokenize)
    for name in dataset.components:
        component = dataset.component(name)
        assert component.window(0, component.addresses).ends.size == component.documents


def test_decisions_hold_every_row_of_the_input_once(prepared_corpus: Path) -> None:
    preparation = prepare(prepared_corpus)
    decided = [
        row
        for path in (Path(preparation.license_filter) / "decisions").iterdir()
        for row in pq.read_table(path).to_pylist()
    ]
    assert len(decided) == load_manifest(preparation.license_filter).totals.documents_in == 118
    assert all(row["kept"] == (row["rule"] is None) for row in decided)
    denied = next(row for row in decided if row["rule"] == "license_denied")
    assert denied["evidence"]["license"] == "GPL-3.0-only"
    assert denied["evidence"]["policy"].startswith("strict@")


def test_the_copy_with_most_stars_in_the_first_source_is_kept(prepared_corpus: Path) -> None:
    preparation = prepare(prepared_corpus)
    documents = {}
    parts = pq.read_table(Path(preparation.dedup) / "parts.parquet").to_pylist()
    for part in parts:
        url = Path(preparation.license_filter) / "documents" / f"{part['name']}.parquet"
        documents[part["part"]] = pq.read_table(url).to_pylist()
    for part in parts:
        url = Path(preparation.dedup) / "duplicates" / f"{part['name']}.parquet"
        for duplicate in pq.read_table(url).to_pylist():
            removed = documents[part["part"]][duplicate["row"]]
            kept = documents[duplicate["kept_part"]][duplicate["kept_row"]]
            assert (removed["id"], kept["id"]) == (duplicate["id"], duplicate["kept_id"])
            assert kept["source"] == "the-stack"
            if removed["source"] == "the-stack" and removed["heldout"] == kept["heldout"]:
                assert (kept["stars"] or 0) >= (removed["stars"] or 0)
            assert 0.5 < duplicate["similarity"] <= 1


def test_a_second_run_leaves_all_files_as_they_are(prepared_corpus: Path) -> None:
    preparation = prepare(prepared_corpus)
    before, times = digests(preparation.output), mtimes(preparation.output)
    prepare(prepared_corpus)
    assert digests(preparation.output) == before
    changed = {path for path, time in mtimes(preparation.output).items() if time != times[path]}
    assert not any(path.endswith((".tar", "manifest.json")) for path in changed)
    assert not any(Path(path).parent.name in ("documents", "signatures") for path in changed)


def mtimes(directory: str) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path(directory).rglob("*")}


def test_deleted_files_are_written_again_with_equal_bytes(prepared_corpus: Path) -> None:
    preparation = prepare(prepared_corpus)
    before = digests(preparation.output)
    output = Path(preparation.output)
    deleted = [*output.glob("*/manifest.json"), *output.glob("*/receipts/*")]
    for pattern in ("*/documents/*", "*/shards/*/*.tar"):
        deleted += sorted(output.glob(pattern))[::2]
    for path in deleted:
        path.unlink()
    prepare(prepared_corpus)
    assert digests(preparation.output) == before


def test_a_change_of_policy_makes_new_parts(prepared_corpus: Path) -> None:
    first = load_manifest(prepare(prepared_corpus).tokenize)
    prepared_corpus.write_text(
        prepared_corpus.read_text().replace('missing = "reject"', 'missing = "accept"')
    )
    preparation = prepare(prepared_corpus)
    assert (
        rejections(load_manifest(preparation.license_filter).funnel).get("license_unknown") is None
    )
    assert load_manifest(preparation.tokenize).totals.documents == first.totals.documents + 1


def test_a_new_input_adds_a_part_and_leaves_the_others_as_they_are(
    prepared_corpus: Path,
) -> None:
    preparation = prepare(prepared_corpus)
    documents = Path(preparation.license_filter) / "documents"
    before = {path: path.stat().st_mtime_ns for path in documents.iterdir()}
    source = prepared_corpus.parent / "data/stack/data/cpp/train-00000-of-00001.parquet"
    source.with_name("train-00001-of-00002.parquet").write_bytes(source.read_bytes())
    prepare(prepared_corpus)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(documents.iterdir())) == len(before) + 1


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is truncated|cannot be decompressed"),
        (lambda data: b"not zstd", "cannot be decompressed"),
    ],
)
def test_a_broken_input_stops_the_job_or_becomes_a_dead_letter(
    corpus: Path, damage: Callable[[bytes], bytes], sentence: str
) -> None:
    path = corpus.parent / "data/pile/train/00.jsonl.zst"
    whole, stat = path.read_bytes(), path.stat()
    path.write_bytes(damage(whole))
    with pytest.raises(DataError, match=sentence):
        prepare(corpus)
    corpus.write_text(corpus.read_text().replace("max_failed = 0.01", "max_failed = 0.5"))
    manifest = load_manifest(prepare(corpus).license_filter)
    assert [letter.input for letter in manifest.failed] == ["00.jsonl.zst"]
    assert "pile" not in manifest.funnel
    path.write_bytes(whole)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    mended = load_manifest(filter_licenses(corpus, retry_failed=True).license_filter)
    assert mended.failed == [] and "pile" in mended.funnel


def test_a_missing_column_is_named_before_any_work(corpus: Path) -> None:
    path = corpus.parent / "data/starcoderdata/python/train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["max_stars_count"]), path)
    with pytest.raises(DataError, match="column 'max_stars_count' is missing"):
        prepare(corpus)


def test_subsets_of_starcoderdata_are_components(corpus: Path) -> None:
    path = corpus.parent / "data/starcoderdata/git-commits-cleaned/train-0.parquet"
    path.parent.mkdir()
    text = f"<commit_before>{code(600)}<commit_msg>Add it<commit_after>{code(601)}"
    row = {"commit": "0" * 40, "repos": "a/b,c/d", "old_file": "a.py", "new_file": "a.py"}
    pq.write_table(pa.Table.from_pylist([row | {"content": text}]), path)
    preparation = prepare(corpus)
    commits = load_manifest(preparation.license_filter).funnel["starcoderdata"]
    assert commits["starcoderdata/git-commits-cleaned"].documents == 1
    tags = load_manifest(preparation.tokenize).counts["tags"]
    assert tags == {"confirmed": 3, "text": 0}


def test_manifests_contain_no_path_of_this_machine(prepared_corpus: Path) -> None:
    preparation = prepare(prepared_corpus)
    for path in Path(preparation.output).rglob("*.json"):
        assert str(prepared_corpus.parent) not in json.dumps(json.loads(path.read_text())), path


def test_benchmarks_and_opt_outs_are_rejected_with_the_matching_entry(corpus: Path) -> None:
    solution = "    for word in sorted(x):\n        return word\n"
    task = {
        "task_id": "HumanEval/7",
        "prompt": 'def f(x):\n    """ Say the word that comes first. """\n',
        "canonical_solution": solution,
    }
    (corpus.parent / "HumanEval.jsonl").write_text(json.dumps(task))
    (corpus.parent / "opt-outs.txt").write_text("owner3\nowner4/repo4 # the first of them\n")
    config = '[decontaminate]\nfiles = ["HumanEval*"]\n[opt_out]\nfiles = ["opt-outs.txt"]\n'
    corpus.write_text(corpus.read_text() + config)
    row = stack_row(code(700) + solution.replace("    ", "\t"), ["MIT"], path="leak.py")
    write_stack(corpus.parent / "data/stack/data/python/train-1.parquet", [row])
    preparation = filter_licenses(corpus)
    counts = rejections(load_manifest(preparation.license_filter).funnel)
    assert counts["benchmark"] == 1
    assert counts["opted_out"] > 5
    extra = load_manifest(preparation.license_filter).extra
    assert (extra["benchmarks"]["texts"], extra["opt_outs"]["entries"]) == (2, 2)
    decided = [
        row
        for path in (Path(preparation.license_filter) / "decisions").iterdir()
        for row in pq.read_table(path).to_pylist()
    ]
    details: dict[str, set[str]] = {row["rule"]: set() for row in decided}
    for row in decided:
        details[row["rule"]].add(row["evidence"]["detail"])
    assert details["opted_out"] == {"owner owner3", "repository owner4/repo4"}
    assert [str(detail)[:35] for detail in details["benchmark"]] == [
        "HumanEval HumanEval/7, solution: fo"
    ]
    before = {part.stem for part in (Path(preparation.license_filter) / "documents").iterdir()}
    (corpus.parent / "opt-outs.txt").write_text("owner3\n")
    filter_licenses(corpus)
    after = {part.stem for part in (Path(preparation.license_filter) / "documents").iterdir()}
    assert len(after) == 2 * len(before), "parts depend on the opt-outs"


def test_a_missing_benchmark_file_is_named_before_any_work(corpus: Path) -> None:
    corpus.write_text(corpus.read_text() + '[decontaminate]\nfiles = ["none*.jsonl"]\n')
    with pytest.raises(UsageError, match=r"decontaminate\.files: none\*\.jsonl: there is no such"):
        load_preparation(str(corpus))


def test_personal_data_is_replaced_before_tokenization(corpus: Path) -> None:
    row = stack_row(code(800) + "# write to jane@example.org\n", ["MIT"], path="mail.py")
    write_stack(corpus.parent / "data/stack/data/python/train-1.parquet", [row])
    redacted = load_manifest(prepare(corpus).tokenize)
    counts = redacted.counts["redacted"]
    assert counts == {"documents": 1, "email": 1, "ip_address": 0, "key": 0}
    corpus.write_text(corpus.read_text().replace("priority = 1", "priority = 1\nredact = false"))
    plain = load_manifest(prepare(corpus).tokenize)
    assert plain.counts["redacted"] == {} and plain.digest != redacted.digest
    assert plain.totals.documents == redacted.totals.documents
    assert plain.totals.tokens != redacted.totals.tokens


def test_recorded_scores_give_the_same_rules_again(prepared_corpus: Path) -> None:
    preparation = prepare(prepared_corpus)
    for path in (Path(preparation.license_filter) / "decisions").iterdir():
        table = pq.read_table(path)
        thresholds = registry.settings(None)
        scores = {name: table[name].to_numpy() for name in thresholds}
        again = registry.first_rule(thresholds, scores, table.num_rows)
        for rule, computed in zip(table["rule"].to_pylist(), again, strict=True):
            assert rule == computed if rule in thresholds else rule or computed is None
        strict = registry.first_rule({**thresholds, "max_line_length": 1}, scores, table.num_rows)
        if table.num_rows and not np.isnan(scores["max_line_length"]).all():
            assert "max_line_length" in set(strict)


def test_a_trained_tokenizer_has_the_control_tokens_of_every_objective(
    prepared_corpus: Path,
) -> None:
    tokenize = prepare(prepared_corpus).tokenize
    tasks = choose_task_tokens(OBJECTIVES, dummy_ids(f"{tokenize}/tokenizer.json"))
    assert tasks.keys() == OBJECTIVES.keys()
    manifest = load_manifest(tokenize)
    assert manifest.tokenizer is not None
    fields = manifest.tokenizer.control.model_dump(exclude={"mask_step", "masks", "vocabulary"})
    assert None not in fields.values() and len(set(fields.values())) == len(fields)
    assert manifest.tokenizer.vocabulary == 700
