"""Every engine with any number of workers writes the same files."""

from pathlib import Path

import pytest

from manifests.errors import DataError, HandedOver
from manifests.lineage.manifest import manifest_digest
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from tests.pipelines.runtime.fake_engines import Skipping, WritesJar, engine, submit

EMBEDDED = ("--job_endpoint=embed", "--environment_type=LOOPBACK")

ENGINES = {
    "two workers": Runner(options=("--direct_num_workers=2",)),
    "portable, embedded": Runner("PortableRunner", EMBEDDED),
}


def result(corpus: Path, output: Path, runner: Runner) -> str:
    """Return the digest of the last manifest, which depends on all files of all jobs."""
    preparation = load_preparation(str(corpus), str(output), runner)
    run_jobs(preparation)
    return manifest_digest(preparation.tokenize)


@pytest.fixture(scope="module")
def reference(corpus_prepared_once: Path) -> tuple[Path, str]:
    """Return CORPUS.toml of the small corpus, and the digest that one worker gives."""
    corpus = corpus_prepared_once / "CORPUS.toml"
    return corpus, manifest_digest(load_preparation(str(corpus)).tokenize)


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_write_equal_manifests(
    reference: tuple[Path, str], tmp_path: Path, engine: str
) -> None:
    corpus, expected = reference
    assert result(corpus, tmp_path / "out", ENGINES[engine]) == expected


STEPS = {
    "license-filter": "license_filter",
    "signatures": "dedup",
    "forests": "dedup",
    "clusters": "dedup",
    "duplicates": "dedup",
    "tokenize": "tokenize-bpe-700",
}
"""Step of which an engine runs nothing -> its job."""


def test_an_engine_that_skips_a_step_is_an_error_without_a_manifest_and_the_command_goes_on(
    reference: tuple[Path, str], tmp_path: Path
) -> None:
    corpus, expected = reference
    for step, job in STEPS.items():
        Skipping.skipped = f"stackpile-{step}-"
        with pytest.raises(DataError, match=r"ended without an error, but .* not done"):
            result(corpus, tmp_path, engine(Skipping))
        assert not (tmp_path / job / "manifest.json").exists()
    Skipping.skipped = "nothing"
    assert result(corpus, tmp_path, engine(Skipping)) == expected


def test_a_jar_for_each_step_is_submitted_by_hand(
    reference: tuple[Path, str], tmp_path: Path
) -> None:
    corpus, expected = reference
    jar = tmp_path / "step.jar"
    runner = engine(WritesJar, f"--output_executable_path={jar}")
    for step, job in STEPS.items():
        with pytest.raises(HandedOver, match=f"{step.replace('-', '_')} is not done: .* wrote"):
            result(corpus, tmp_path / "out", runner)
        assert not (tmp_path / "out" / job / "manifest.json").exists()
        submit(jar)
    assert result(corpus, tmp_path / "out", runner) == expected
