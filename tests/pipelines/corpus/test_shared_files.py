"""Workers read copies of the files that only the driver sees."""

import shutil
from pathlib import Path

from filters.dedup.minhash import PROFILES, load_profile
from filters.licenses.policy import POLICIES, load_policy
from filters.opt_outs import load_opt_outs
from pipelines.corpus.loading import load_corpus
from pipelines.corpus.shared_files import share_files

CORPUS = """
[[source]]
name = "a"
kind = "jsonl"
files = "a.jsonl"
component = "python"
license = { policy = "own.toml" }
[[source]]
name = "b"
kind = "jsonl"
files = "b.jsonl"
component = "python"
[opt_out]
files = ["*.txt"]
[dedup]
profile = "profile.toml"
"""


def test_copies_take_the_place_of_files_of_the_driver(tmp_path: Path) -> None:
    driver, output = tmp_path / "driver", str(tmp_path / "out")
    driver.mkdir()
    (driver / "CORPUS.toml").write_text(CORPUS)
    (driver / "gone.txt").write_text("owner\n")
    shutil.copy(POLICIES / "strict.toml", driver / "own.toml")
    shutil.copy(PROFILES / "fineweb.toml", driver / "profile.toml")
    corpus = load_corpus(str(driver / "CORPUS.toml"))
    digests = [
        load_policy(corpus.source[0].license.policy).digest,
        load_profile(corpus.dedup.profile).digest,
        load_opt_outs(corpus.opt_out.files).digest,
    ]
    shared = share_files(corpus, output)
    assert share_files(corpus, output) == shared
    shutil.rmtree(driver)
    assert digests == [
        load_policy(shared.source[0].license.policy).digest,
        load_profile(shared.dedup.profile).digest,
        load_opt_outs(shared.opt_out.files).digest,
    ]
    assert shared.source[1].license.policy == corpus.source[1].license.policy
    copies = [path.name for path in (tmp_path / "out/config").glob("*/*")]
    assert sorted(copies) == ["gone.txt", "own.toml", "profile.toml"]


def test_an_edited_file_has_a_copy_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "CORPUS.toml").write_text(
        CORPUS.replace("own.toml", "strict").partition("[dedup]")[0]
    )
    urls: list[str] = []
    for owner in ("one", "two", "one"):
        (tmp_path / "gone.txt").write_text(f"{owner}\n")
        corpus = load_corpus(str(tmp_path / "CORPUS.toml"))
        urls += share_files(corpus, str(tmp_path / "out")).opt_out.files
    assert urls[0] == urls[2] != urls[1]
