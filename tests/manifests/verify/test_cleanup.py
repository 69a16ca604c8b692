"""clean: what nothing needs goes, everything else stays, and a running job is left alone."""

import json
import os
import shutil

import fsspec
import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import load_manifest, save_manifest
from manifests.lineage.receipts import load_receipt, save_receipt
from manifests.verify.cleanup import HOUR, plan_cleanup, remove, render_cleanup
from manifests.verify.verify import verify
from pipelines.commands import register
from tests.outputs import DEDUP_SIGNATURE, printed

TEMPORARY = ".python-00000.tar.0123456789abcdef0123456789abcdef.tmp"


@pytest.fixture
def tidy(output):
    """An output with the signatures of its dedup."""
    (output / "dedup" / "signatures").mkdir()
    (output / "dedup" / "signatures" / f"{DEDUP_SIGNATURE}.parquet").write_bytes(b"hashes")
    return output


def listing(directory):
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def write(path, data=b"left over", age=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    stamp = path.stat().st_mtime - age
    os.utime(path, (stamp, stamp))
    return str(path)


def names(found):
    return sorted(f"{file.directory}/{file.path}" for file in found.files)


def test_a_whole_output_has_nothing_to_go(tidy):
    assert plan_cleanup(str(tidy)).files == []
    assert "no file can be removed" in printed(
        render_cleanup(plan_cleanup(str(tidy)), removed=False)
    )


def test_what_no_manifest_needs_goes_and_all_else_stays(tidy):
    before = listing(tidy)
    stale = [
        write(tidy / "license_filter/documents" / f"{'0' * 32}.parquet"),
        write(tidy / "license_filter/decisions" / f"{'0' * 32}.parquet"),
        write(tidy / "dedup/duplicates" / f"{'0' * 32}.parquet"),
        write(tidy / "dedup/signatures" / f"{'0' * 32}.parquet"),
        write(tidy / "tokenize-small/shards/the-stack/python-00000-ffffffff.tar"),
        write(tidy / "tokenize-small/shards/the-stack/python-00000-ffffffff.tar.idx"),
    ]
    write(tidy / "tokenize-small/notes.txt")
    result = plan_cleanup(str(tidy))
    assert names(result) == sorted(stale)
    assert result.plain()["bytes"] == 6 * len("left over")
    assert set(listing(tidy)) > set(before)
    remove(result)
    assert listing(tidy) == sorted([*before, "tokenize-small/notes.txt"])
    assert plan_cleanup(str(tidy)).files == []


def test_receipts_of_stale_parts_go_first(tidy):
    directory = str(tidy / "license_filter")
    receipt = load_receipt(directory, sorted((tidy / "license_filter/receipts").iterdir())[0].stem)
    gone = f"documents/{'0' * 32}.parquet"
    write(tidy / "license_filter" / gone)
    assert receipt
    old = receipt.model_copy(
        update={"name": "0" * 32, "files": {gone: next(iter(receipt.files.values()))}}
    )
    save_receipt(directory, old)
    assert [file.path for file in plan_cleanup(str(tidy)).files] == [
        gone
    ]  # it may be a running job's
    place = tidy / "license_filter/receipts" / f"{'0' * 32}.json"
    write(place, place.read_bytes(), age=2 * HOUR)
    result = plan_cleanup(str(tidy))
    assert [file.path for file in result.files] == [f"receipts/{'0' * 32}.json", gone]


def test_a_temporary_file_is_left_for_an_hour(tidy):
    place = tidy / "tokenize-small/shards/the-stack" / TEMPORARY
    write(place, age=HOUR / 2)
    assert plan_cleanup(str(tidy)).files == []
    old = [write(place, age=2 * HOUR), write(tidy / TEMPORARY, age=2 * HOUR)]
    result = plan_cleanup(str(tidy))
    assert {file.kind for file in result.files} == {"temporary"}
    assert names(result) == sorted(old)
    remove(result)
    assert not place.exists()


@pytest.mark.parametrize(
    "path",
    [
        "clusters/%s/forests/0-column-1-0.npy",
        "exact/%s/0.u32",
        "exact/%s/0.npy",
        "exact/%s/0.parquet",
    ],
)
def test_intermediate_files_are_left_for_an_hour(tidy, path):
    place = tidy / "dedup" / (path % ("0" * 32))
    write(place, age=HOUR / 2)
    assert plan_cleanup(str(tidy)).files == []
    write(place, age=2 * HOUR)
    assert names(plan_cleanup(str(tidy))) == [str(place)]


def test_a_job_that_has_not_ended_keeps_everything_but_old_temporary_files(tidy):
    (tidy / "tokenize-small/manifest.json").unlink()
    write(tidy / "tokenize-small/shards/the-stack/python-00000-ffffffff.tar")
    old = write(tidy / "tokenize-small/shards/the-stack" / TEMPORARY, age=2 * HOUR)
    assert names(plan_cleanup(str(tidy))) == [old]


@pytest.mark.parametrize(
    ("directory", "path"),
    [(".", TEMPORARY), ("dedup", f"documents/{TEMPORARY}"), ("dedup", "clusters/0/column-1-0.npy")],
)
def test_a_file_that_a_running_job_has_just_removed_is_left_to_the_job(
    tidy, monkeypatch, directory, path
):
    removed = write(tidy / directory / path)
    list_sizes = files.sizes

    def sizes_before_the_removal(directory):
        sizes = list_sizes(directory)
        files.remove(removed)
        return sizes

    monkeypatch.setattr(files, "sizes", sizes_before_the_removal)
    assert plan_cleanup(str(tidy / directory)).files == []


@pytest.mark.parametrize("begun", [True, False])
def test_a_job_that_begins_or_ends_meanwhile_stops_it(tidy, begun):
    left = write(tidy / "dedup/duplicates" / f"{'0' * 32}.parquet")
    result = plan_cleanup(str(tidy))
    if begun:
        (tidy / "dedup/manifest.json").unlink()
    else:
        manifest = load_manifest(str(tidy / "dedup"))
        save_manifest(str(tidy / "dedup"), manifest.model_copy(update={"digest": "9" * 64}))
    with pytest.raises(DataError, match="dedup: a job has started or ended meanwhile"):
        remove(result)
    assert files.exists(left)


def test_documents_go_only_on_request_and_verify_says_so(tidy, output_made_once, tmp_path):
    assert not any(file.kind == "documents" for file in plan_cleanup(str(tidy)).files)
    result = plan_cleanup(str(tidy), documents=True)
    assert {file.kind for file in result.files} == {"documents"}
    assert len(result.files) == 2
    plain = tmp_path / "plain"
    shutil.copytree(output_made_once, plain)
    for path in (plain / "license_filter/documents").iterdir():
        path.unlink()
    checked = verify(load_chain(str(plain)))
    assert checked.faults == []
    assert "documents: was cleaned away" in checked.notes[0]


def test_one_missing_document_file_is_still_a_fault(output):
    sorted(output.glob("license_filter/documents/*"))[0].unlink()
    assert verify(load_chain(str(output))).faults


@pytest.mark.parametrize("missing", ["tokenize-small", "dedup"])
def test_documents_stay_while_they_are_needed(tidy, missing):
    shutil.rmtree(tidy / missing)
    with pytest.raises(UsageError, match="documents/ are still needed"):
        plan_cleanup(str(tidy), documents=True)


def test_one_jobs_directory_will_do(tidy):
    left = write(tidy / "dedup/duplicates" / f"{'0' * 32}.parquet")
    write(tidy / "license_filter/documents" / f"{'0' * 32}.parquet")
    assert names(plan_cleanup(str(tidy / "dedup"))) == [left]


def test_an_object_store_is_cleaned_too(tidy):
    write(tidy / "dedup/duplicates" / f"{'0' * 32}.parquet")
    store = fsspec.filesystem("memory")
    store.put(str(tidy), "/clean/out", recursive=True)
    result = plan_cleanup("memory://clean/out")
    assert [file.path for file in result.files] == [f"duplicates/{'0' * 32}.parquet"]
    remove(result)
    assert plan_cleanup("memory://clean/out").files == []
    assert 0 <= files.idle("memory://clean/out/dedup/manifest.json") < 600
    assert files.exists("memory://clean/out/dedup/manifest.json")


def test_what_is_no_output_is_told(tmp_path):
    with pytest.raises(UsageError, match="is not an output: it has no directory license_filter"):
        plan_cleanup(str(tmp_path))


def test_nothing_goes_without_yes(tidy):
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    left = write(tidy / "dedup/duplicates" / f"{'0' * 32}.parquet")

    def run(*options):
        return CliRunner().invoke(app, ["clean", str(tidy), *options], catch_exceptions=False)

    assert "Nothing was removed" in run().stdout
    summary = json.loads(run("--json").stdout)
    assert (summary["bytes"], summary["removed"]) == (9, False)
    assert files.exists(left)
    assert "Removed" in run("--yes").stdout
    assert not files.exists(left)


@pytest.mark.parametrize("whole", [True, False])
def test_a_dataset_of_any_name_is_known_by_its_manifest(tidy, whole):
    (tidy / "tokenize-small").rename(tidy / "without-them")
    (tidy / "without-them" / "receipts").mkdir(exist_ok=True)
    left = write(tidy / "without-them/shards/the-stack/python-00000-ffffffff.tar")
    assert names(plan_cleanup(str(tidy if whole else tidy / "without-them"))) == [left]


def test_documents_can_go_once_a_dataset_of_any_name_is_made_from_them(tidy):
    (tidy / "tokenize-small").rename(tidy / "without-them")
    (tidy / "without-them" / "receipts").mkdir(exist_ok=True)
    assert {file.kind for file in plan_cleanup(str(tidy), documents=True).files} == {"documents"}
