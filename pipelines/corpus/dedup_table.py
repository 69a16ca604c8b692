"""The table `[dedup]` of CORPUS.toml."""

from typing import Annotated, Literal

from pydantic import Field

from manifests.config import Config


class Dedup(Config):
    """Which documents are duplicates of one another."""

    profile: str = "stack-v1.2"
    """Tokens, shingles, permutations and bands: a profile's name, or a file (TOML).
    Published: BigCode's for The Stack v1.2 (bigcode-dataset near_deduplication)."""
    scope: Literal["all", "source", "component"] = "all"
    """Duplicates are found in all documents, within a source, or within a component. Ours: sources
    overlap, and headers and templates lie under several languages. BigCode ran its script on one
    language at a time."""
    previous_corpora: list[str] = Field(default_factory=list)
    """Directories of finished dedups (out/dedup). Only their signatures are read, and none of their
    documents is removed: a document of this corpus is removed if its cluster holds one of theirs.
    """
    verify: Literal["exact", "signatures", "none"] = "exact"
    """How a document is compared with the document of its cluster that is kept: by exact Jaccard
    similarity, by their signatures, or not at all. Documents below the profile's threshold are
    kept. Ours: clusters are transitive, so a license header of three lines can link short files
    that share nothing else. Published: `none`, which is what BigCode's script does
    (bigcode-dataset near_deduplication/minhash_deduplication.py)."""
    max_removed: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Maximum share of a source that one rule may remove as duplicates within the source; above it
    the job stops with an error. Ours: more than the 47 % that BigCode's Java lost
    (bigcode-dataset near_deduplication/README.md), and less than a wrong profile removes."""
