"""Prepare a corpus once as a tokenized dataset."""

import hashlib
from pathlib import Path

from benchmarks.claims import ROOT, say
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs

SOURCES = (
    ("the-stack", "stack/data/*/*.parquet", 1),
    ("starcoderdata", "starcoderdata/*/*.parquet", 2),
    ("the-pile", "pile/train/*.jsonl.zst", 3),
)
"""Kind, files and priority of each source."""


def dataset(data: Path) -> Path:
    """Return the tokenized dataset of a corpus, below build/. Finished parts are kept."""
    text = "".join(
        f'[[source]]\nname = "{kind}"\nkind = "{kind}"\nfiles = "{data.resolve()}/{files}"\n'
        f'priority = {priority}\nlicense = {{ missing = "accept" }}\n\n'
        for kind, files, priority in SOURCES
    )
    text += "[tokenize]\ntokenizer = { train = 32000 }\n"
    place = ROOT / "build" / "benchmarks" / hashlib.sha256(text.encode()).hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    (place / "CORPUS.toml").write_text(text)
    say(f"preparing {data}; finished parts are kept")
    preparation = load_preparation(str(place / "CORPUS.toml"), str(place / "out"))
    run_jobs(preparation)
    return Path(preparation.tokenize)
