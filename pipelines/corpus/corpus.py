"""`Corpus`: the config of a corpus, CORPUS.toml."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from filters.quality import registry
from manifests.config import Config
from pipelines.corpus.dedup_table import Dedup
from pipelines.corpus.list_tables import Decontaminate, OptOut
from pipelines.corpus.source_table import Source
from pipelines.corpus.tokenize_table import Tokenize


class Corpus(Config):
    """The config of a corpus."""

    output: str | None = None
    """Output directory or URL, relative to CORPUS.toml; `--out` overrides it."""
    source: Annotated[list[Source], Field(min_length=1)]
    """The sources, in the order in which their parts are numbered."""
    filters: dict[str, float | bool] | None = None
    """Document filters, each with its threshold, or false; by default the published thresholds.
    Filters that no publication names are off by default for kinds `parquet` and `jsonl`. With
    `others = false` only the filters that the table names act."""
    decontaminate: Decontaminate = Decontaminate()
    opt_out: OptOut = OptOut()
    dedup: Dedup = Dedup()
    tokenize: Tokenize = Tokenize()
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Maximum share of inputs that cannot be read; above it a job fails. Ours: a download of
    thousands of files loses a few, and a wrong path loses more."""

    @field_validator("filters")
    @classmethod
    def _filters_are_known(cls, filters: dict[str, float | bool] | None) -> object:
        registry.check(filters or {})
        return filters

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Corpus":
        names = [source.name for source in self.source]
        for name in sorted(names):
            if names.count(name) > 1:
                raise ValueError(f"source: the name {name!r} is given twice")
        return self

    @model_validator(mode="after")
    def _repository_licenses_are_known(self) -> "Corpus":
        known = {source.name for source in self.source if source.layout.repository_licenses}
        for source in self.source:
            name = source.license.repositories
            if name is not None and name not in known:
                raise ValueError(
                    f"source {source.name}: license.repositories: {name!r} is not a source with "
                    f"licenses of repositories; such sources: {', '.join(sorted(known)) or 'none'}"
                )
        return self

    def named(self, name: str) -> Source:
        """Return a source by its name."""
        return next(source for source in self.source if source.name == name)

    def licensing(self, source: Source) -> Source:
        """Return the source that knows the licenses of a source's repositories."""
        return self.named(source.license.repositories or source.name)
