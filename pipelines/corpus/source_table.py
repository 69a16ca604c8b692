"""The tables `[[source]]` of CORPUS.toml, with the table `license` of each."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from manifests.components import SLUG, slug
from manifests.config import Config, did_you_mean
from pipelines.sources.columns import Columns
from pipelines.sources.layout import Header, Missing, SourceLayout
from pipelines.sources.partition import LICENSE
from pipelines.sources.registry import LAYOUTS

TagMode = Literal["keep", "strip", "convert"]


class License(Config):
    """How a source's licenses are judged."""

    policy: str = "strict"
    """`strict`, `stack-v1.1`, `blue-oak-bronze`, or a policy file of your own (TOML).
    Ours: the default stands for CodeGen2's "stronger permissive license guideline" (arXiv
    2305.02309, section 3.3), which names no list."""
    missing: Missing | None = None
    """`accept` or `reject` documents without a known license. The default depends on `kind`:
    `accept` for starcoderdata. Published: its card says that all its files are permissive. `reject`
    for the others. Ours: no license is no permission."""
    repositories: str | None = None
    """The name of a source of kind `the-stack`. A document without licenses has the licenses that
    this source knows of its repositories. For StarCoderData."""
    header: Header | None = None
    """`veto`: a file whose own text names a license that the policy denies is rejected, whatever
    its repository says; `off`: texts are not read for licenses. The default depends on `kind`:
    `off` for the-pile, `veto` for the others. Ours: prose may speak of a license without being
    under it, and a repository's license does not name the files that others wrote."""


class Source(Config):
    """One collection of files in one layout."""

    name: str
    """Your name for the source, [a-z0-9-]; the first half of a component's name."""
    kind: str
    """The layout of its files: `the-stack`, `the-stack-v2`, `the-stack-v3`, `starcoderdata`,
    `the-pile`, `parquet` or `jsonl`."""
    files: str
    """A path or URL with wildcards; relative paths start at the directory of CORPUS.toml."""
    components: list[str] | None = None
    """Only these languages or sets; without it, all."""
    component: str | None = None
    """The component of every document of a `parquet` or `jsonl` source without such a column."""
    columns: Columns | None = None
    """For `parquet` and `jsonl`: which columns hold which field."""
    partition_by: list[str] = Field(default_factory=list)
    """Columns whose values divide components further, so that mixtures can weight the divisions:
    `license`, the license that was judged, and for `parquet` and `jsonl` any column or key;
    `ours/python` becomes `ours/python--mit`, `ours/python--apache-2-0` ..."""
    priority: Annotated[int, Field(ge=0, le=255)] = 1
    """Of two duplicates in different sources, the one with the lower number is kept. Ours: all
    sources are equal."""
    license: License = License()
    tags: TagMode | None = None
    """For starcoderdata, what becomes of tags such as `<reponame>` and `<commit_msg>` that the
    columns of a row confirm: `keep` them as text, `strip` them, or `convert` them to the control
    tokens of the vocabulary. By default they are converted if the vocabulary has them, as
    CodeGen2.5's has, and stripped otherwise. Ours: CodeGen2.5 publishes the tokens and not how its
    texts were encoded. Tags that no column confirms stay text: those of an issue without events,
    and of a notebook without cells. A commit may have an empty side."""
    redact: bool | None = None
    """Replace e-mail addresses, keys, tokens and IP addresses before texts become tokens. The
    default depends on `kind`: true for the-stack and the-stack-v2, false for the others. Ours:
    StarCoderData and The Stack v3 were published redacted, and the Pile's authors did not."""

    @field_validator("name")
    @classmethod
    def _is_slug(cls, name: str) -> str:
        if not SLUG.fullmatch(name):
            raise ValueError(f"{name!r} is not made of [a-z0-9-]")
        return name

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind not in LAYOUTS:
            raise ValueError(f"there is no source layout {kind!r}; {did_you_mean(kind, LAYOUTS)}")
        return kind

    @model_validator(mode="after")
    def _fits_layout(self) -> "Source":
        """Check `columns`, `component` and `partition_by` against the layout."""
        kinds = " and ".join(kind for kind, layout in LAYOUTS.items() if layout.maps_columns)
        columns = [column for column in self.partition_by if column != LICENSE]
        if not LAYOUTS[self.kind].maps_columns:
            for field in ("columns", "component"):
                if getattr(self, field) is not None:
                    raise ValueError(f"{field} is for kinds {kinds}; {self.kind} has its own")
            own = LAYOUTS[self.kind].partition_columns
            if others := [column for column in columns if column not in own]:
                known = " and ".join(sorted([LICENSE, *own]))
                raise ValueError(
                    f"partition_by: {others[0]!r} is for kinds {kinds}; {self.kind} has {known} "
                    "alone"
                )
        if self.columns and self.columns.component and self.component:
            raise ValueError("give either component or columns.component, not both")
        if self.tags is not None and not LAYOUTS[self.kind].has_tags:
            tagged = " and ".join(kind for kind, layout in LAYOUTS.items() if layout.has_tags)
            raise ValueError(f"tags: is for kind {tagged}")
        if len(set(self.partition_by)) < len(self.partition_by):
            raise ValueError("partition_by: a column is named twice")
        return self

    @property
    def layout(self) -> SourceLayout:
        """The layout of the source's files, with its columns."""
        columns = self.columns or Columns()
        return LAYOUTS[self.kind](columns, self.component, tuple(self.partition_by))

    @property
    def missing(self) -> Missing:
        """What becomes of documents without a known license."""
        return self.license.missing or LAYOUTS[self.kind].missing

    @property
    def header(self) -> Header:
        """Whether a license in a file's own text can reject the file."""
        return self.license.header or LAYOUTS[self.kind].header

    @property
    def redacts(self) -> bool:
        """Whether personal data is replaced before texts become tokens."""
        return LAYOUTS[self.kind].redact if self.redact is None else self.redact

    @property
    def chosen(self) -> frozenset[str] | None:
        """The slugs of `components`; None for all."""
        return None if self.components is None else frozenset(map(slug, self.components))
