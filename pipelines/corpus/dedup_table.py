"""The table `[dedup]` of CORPUS.toml."""

from typing import Annotated, Literal

from pydantic import Field

from manifests.config import Config


class Dedup(Config):
    """Which documents are duplicates of one another."""

    profile: str = "stack-v1.2"
    """Tokens, shingles, permutations and bands: a profile's name, or a file (TOML). The default is
    BigCode's profile for The Stack v1.2."""
    scope: Literal["all", "source", "component"] = "all"
    """Duplicates are found in all documents, within a source, or within a component."""
    previous_corpora: list[str] = Field(default_factory=list)
    """Directories of finished dedups (out/dedup). Only their signatures are read, and none of their
    documents is removed: a document of this corpus is removed if its cluster holds one of theirs.
    """
    verify: Literal["large", "all", "exact"] = "large"
    """Which duplicates are verified, and how. `large` compares the documents of large clusters with
    the document that is kept, by their signatures; `all` those of all clusters; `exact` those of
    all clusters by exact Jaccard similarity. Documents below the profile's threshold are clustered
    again among themselves."""
    large: Annotated[int, Field(ge=2)] = 1000
    """Clusters of more documents are large: boilerplate links documents with little in common."""
    max_removed: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Maximum share of a source that one rule may remove as duplicates within the source; above it
    the job stops with an error. BigCode's Java lost 47 % (bigcode-dataset near_deduplication)."""
