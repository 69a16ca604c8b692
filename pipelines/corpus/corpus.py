"""CORPUS.toml: what goes in, what may stay, and how it becomes tokens."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from filters.benchmarks import load_benchmarks
from filters.dedup.minhash import load_profile
from filters.licenses.policy import load_policy
from filters.opt_outs import load_opt_outs
from filters.quality import registry
from manifests.components import slug
from manifests.config import Config, load_config
from manifests.errors import UsageError
from manifests.io import files

Kind = Literal["the-stack", "the-stack-v2", "starcoderdata", "the-pile", "parquet", "jsonl"]

PIECE_BYTES = 256 << 20
"""Text of a part, at most, in bytes (section 4 of the design)."""

Missing = Literal["accept", "reject"]

MISSING: dict[Kind, Missing] = {
    "the-stack": "reject",
    "the-stack-v2": "reject",
    "starcoderdata": "accept",
    "the-pile": "reject",
    "parquet": "reject",
    "jsonl": "reject",
}
"""What becomes of documents without a known license, by kind. StarCoderData holds permissive files
only and has no license column (its card). The Pile's sets whose license is clear are allowed
(tables/pile-sets.toml of filters/licenses, with the reason for each); of the others nothing is
known."""


Header = Literal["veto", "off"]

HEADER: dict[Kind, Header] = {
    "the-stack": "veto",
    "the-stack-v2": "veto",
    "starcoderdata": "veto",
    "the-pile": "off",
    "parquet": "veto",
    "jsonl": "veto",
}
"""Whether files may deny themselves, by kind. Prose that speaks of a license is not under it."""


REDACTED: frozenset[Kind] = frozenset({"the-stack", "the-stack-v2"})
"""Kinds whose personal data is redacted when `redact` is not given: BigCode did it for The Stack
when it made StarCoderData, which comes redacted; the Pile's makers did not."""


class Columns(Config):
    """Which columns (or JSON keys) of a `parquet` or `jsonl` source hold what."""

    text: str = "text"
    """The document itself, a string."""
    repo: str | None = None
    """The repository, a string or a list of strings."""
    path: str | None = None
    """The file's path in its repository."""
    license: str | None = None
    """SPDX ids or expressions, a string or a list of strings."""
    stars: str | None = None
    """A whole number; it decides which copy of a duplicate stays."""
    component: str | None = None
    """The language or set; any name that the table of components knows, or one of your own."""


class License(Config):
    """What a source's licenses are judged by."""

    policy: str = "strict"
    """`strict`, `stack-v1.1`, `blue-oak-bronze`, or a policy file of your own (TOML).
    The default stands for CodeGen2's "stronger permissive license guideline" (section 3.3)."""
    missing: Missing | None = None
    """What becomes of a document whose license nobody knows; by kind when not given."""
    repositories: str | None = None
    """The name of a source of kind `the-stack`: documents without licenses have those that it
    knows of their repositories. For StarCoderData."""
    header: Header | None = None
    """`veto`: a file whose own text names a license that the policy denies is rejected, whatever
    its repository says; `off`: texts are not looked at. By kind when not given."""


class Source(Config):
    """One collection of files in one layout."""

    name: str
    """Your name for it, [a-z0-9-]; the first half of a component's name."""
    kind: Kind
    """How its files are laid out."""
    files: str
    """A path or URL with wildcards; relative paths start at the directory of CORPUS.toml."""
    components: list[str] | None = None
    """Only these languages or sets; all when not given."""
    component: str | None = None
    """The component of every document of a `parquet` or `jsonl` source without such a column."""
    columns: Columns | None = None
    """For `parquet` and `jsonl`: where to find what."""
    partition_by: list[str] = Field(default_factory=list)
    """Columns whose values cut components finer, so that mixtures can weigh them: `license`, as it
    was judged, and for `parquet` and `jsonl` any column or key; `ours/python` becomes
    `ours/python--mit`, `ours/python--apache-2-0` ..."""
    priority: Annotated[int, Field(ge=0, le=255)] = 1
    """Of two copies in different sources, the one with the lowest priority stays."""
    license: License = License()
    redact: bool | None = None
    """Replace e-mail addresses, keys, tokens and IP addresses before texts become tokens; by kind
    when not given."""

    @field_validator("name")
    @classmethod
    def _is_slug(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ValueError(f"{name!r} is not made of [a-z0-9-]")
        return name

    @model_validator(mode="after")
    def _columns_fit_kind(self) -> "Source":
        generic = self.kind in ("parquet", "jsonl")
        for field in ("columns", "component"):
            if not generic and getattr(self, field) is not None:
                raise ValueError(f"{field} is for kinds parquet and jsonl; {self.kind} has its own")
        if self.columns and self.columns.component and self.component:
            raise ValueError("give either component or columns.component, not both")
        return self

    @model_validator(mode="after")
    def _partitions_are_columns(self) -> "Source":
        if len(set(self.partition_by)) < len(self.partition_by):
            raise ValueError("partition_by: a column is named twice")
        for column in self.partition_by if self.kind not in ("parquet", "jsonl") else ():
            if column != "license":
                raise ValueError(
                    f"partition_by: {column!r} is for kinds parquet and jsonl; {self.kind} has "
                    "license alone"
                )
        return self

    @property
    def missing(self) -> Missing:
        """The rule for documents without a known license."""
        return self.license.missing or MISSING[self.kind]

    @property
    def header(self) -> Header:
        """Whether files may deny themselves."""
        return self.license.header or HEADER[self.kind]

    @property
    def redacts(self) -> bool:
        """Whether personal data is replaced before texts become tokens."""
        return self.kind in REDACTED if self.redact is None else self.redact

    @property
    def chosen(self) -> frozenset[str] | None:
        """The slugs of the chosen components; None for all."""
        return None if self.components is None else frozenset(map(slug, self.components))


class Decontaminate(Config):
    """Which benchmarks must not be in the corpus."""

    files: tuple[str, ...] = ()
    """Their own files (JSON lines, .gz too), wildcards allowed: HumanEval and its Infill variants,
    MBPP, LAMBADA, PIQA, MTPB, DS-1000, APPS, GSM8K. A document that holds a prompt, a solution or a
    passage of theirs is rejected."""


class OptOut(Config):
    """Whose documents are left out because they asked."""

    files: tuple[str, ...] = ()
    """Lists of owners, repositories, paths and ids, one a line; wildcards allowed."""


class Dedup(Config):
    """Which documents count as copies of one another."""

    profile: str = "stack-v1.2"
    """Tokens, shingles, permutations and bands, by name, or a file. The default
    is BigCode's for The Stack v1.2."""
    scope: Literal["all", "source", "component"] = "all"
    """Where copies are looked for: everywhere, within a source, or within a component."""
    previous_corpora: list[str] = Field(default_factory=list)
    """Directories of finished dedups (out/dedup). Only their signatures are read, and none of their
    documents is removed: a document of this corpus is removed if its cluster holds one of theirs.
    """
    verify: Literal["large", "all", "exact"] = "large"
    """Whose similarity to the copy that stays is looked at before they go: documents of large
    clusters, or of all, by their signatures; or of all, by exact Jaccard similarity. Documents that
    fall short of the profile's threshold stay, the best of them with copies of its own."""
    large: Annotated[int, Field(ge=2)] = 1000
    """Documents above which a cluster is large: boilerplate links what has little in common."""
    max_removed: Annotated[float, Field(ge=0, le=1)] = 0.6
    """The share of a source that one rule may remove as copies within the source; above it the job
    stops and says what it found. BigCode's Java lost 47 % (bigcode-dataset near_deduplication)."""


WAYS = ("file", "train", "codegen2", "codegen25")
"""To come by a tokenizer: fields of `Tokenizer`."""


class Tokenizer(Config):
    """Where the tokenizer comes from: one of `file`, `train`, `codegen2` and `codegen25`."""

    file: str | None = None
    """The path of a Hugging Face tokenizer.json; `tokenizer = "PATH"` says the same."""
    train: Annotated[int, Field(ge=512, le=1 << 20)] | None = None
    """Entries of a byte-level BPE vocabulary, control tokens included, to train on what stays."""
    masks: Annotated[int, Field(ge=1, le=899)] = 100
    """Mask tokens of a trained one; CodeGen2 has 899, most of which no sequence can use."""
    codegen2: str | None = None
    """The path of GPT-2's `vocab.bpe`, from which CodeGen2's vocabulary is rebuilt."""
    codegen25: str | None = None
    """The same path, for CodeGen2.5's."""

    @model_validator(mode="before")
    @classmethod
    def _path_is_file(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_one(self) -> "Tokenizer":
        if len([name for name in WAYS if getattr(self, name) is not None]) != 1:
            raise ValueError("give a path, { train = ENTRIES } or { codegen2 = PATH }")
        return self

    @property
    def given(self) -> str:
        """The name of the one field that is given."""
        return next(name for name in WAYS if getattr(self, name) is not None)

    @property
    def path(self) -> str | None:
        """The file that it is read or rebuilt from; None for one to be trained."""
        return self.file or self.codegen2 or self.codegen25


class Tokenize(Config):
    """How documents become tokens."""

    tokenizer: Tokenizer = Tokenizer(train=32000)
    """A path, or one of the ways above; CodeGen2's base vocabulary has 50,257 entries."""
    heldout: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Share of the repositories whose documents are set aside for validation."""

    @property
    def name(self) -> str:
        """The last half of `tokenize-NAME`."""
        if self.tokenizer.train:
            return f"bpe-{self.tokenizer.train}"
        if self.tokenizer.codegen2 or self.tokenizer.codegen25:
            return self.tokenizer.given
        stem = os.path.basename(self.tokenizer.file or "").removesuffix(".json")
        return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "tokenizer"


class Corpus(Config):
    """A whole CORPUS.toml."""

    output: str | None = None
    """Where everything is written; relative to CORPUS.toml; `--out` overrides it."""
    source: Annotated[list[Source], Field(min_length=1)]
    """The sources, in the order in which their parts are numbered."""
    filters: dict[str, float | bool] | None = None
    """Document filters, each with its threshold, or false; the published ones by default."""
    decontaminate: Decontaminate = Decontaminate()
    opt_out: OptOut = OptOut()
    dedup: Dedup = Dedup()
    tokenize: Tokenize = Tokenize()
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.01
    """The share of unreadable inputs above which a job fails."""

    @field_validator("filters")
    @classmethod
    def _filters_are_known(cls, filters: dict[str, float | bool] | None) -> object:
        registry.check(filters or {})
        return filters

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Corpus":
        names = [source.name for source in self.source]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source: the name {twice[0]!r} is given twice")
        return self

    @model_validator(mode="after")
    def _repositories_are_the_stacks(self) -> "Corpus":
        known = {source.name for source in self.source if source.kind == "the-stack"}
        for source in self.source:
            name = source.license.repositories
            if name is not None and name not in known:
                raise ValueError(
                    f"source {source.name}: license.repositories: {name!r} is not a source of kind "
                    f"the-stack; those are {', '.join(sorted(known)) or 'none'}"
                )
        return self

    def named(self, name: str) -> Source:
        """Return a source by its name."""
        return next(source for source in self.source if source.name == name)


def load_corpus(path: str) -> Corpus:
    """Read CORPUS.toml; its relative paths become absolute ones.

    Raises:
        UsageError: it lists every fault of the file, or else of all the files that it names.
    """
    corpus = load_config(path, Corpus)
    base = os.path.dirname(os.path.abspath(path))
    faults: list[str] = []
    tokenizer = _resolved_tokenizer(corpus.tokenize.tokenizer, base)
    resolved = corpus.model_copy(
        update={
            "output": _from(base, corpus.output or "out"),
            "source": [_resolved(source, base) for source in corpus.source],
            "decontaminate": Decontaminate(
                files=_found("decontaminate", base, corpus.decontaminate.files, faults)
            ),
            "opt_out": OptOut(files=_found("opt_out", base, corpus.opt_out.files, faults)),
            "dedup": corpus.dedup.model_copy(
                update={
                    "profile": _table(base, corpus.dedup.profile),
                    "previous_corpora": [
                        _from(base, directory) for directory in corpus.dedup.previous_corpora
                    ],
                }
            ),
            "tokenize": corpus.tokenize.model_copy(update={"tokenizer": tokenizer}),
        }
    )
    if tokenizer.path and not files.exists(tokenizer.path):
        faults.append(f"tokenize.tokenizer: {tokenizer.path}: there is no such file")
    faults = [f"{path}: {fault}" for fault in faults] + _unreadable(resolved)
    if faults:
        raise UsageError("\n".join(faults))
    return resolved


def _unreadable(corpus: Corpus) -> list[str]:
    """Read the tables and lists that a corpus names; return what is wrong with them, each once."""
    reads: list[Callable[[], object]] = [
        *(partial(load_benchmarks, [url]) for url in corpus.decontaminate.files),
        *(partial(load_opt_outs, [url]) for url in corpus.opt_out.files),
        partial(load_profile, corpus.dedup.profile),
        *(partial(load_policy, source.license.policy) for source in corpus.source),
    ]
    faults: dict[str, None] = {}
    for read in reads:
        try:
            read()
        except UsageError as error:
            faults[str(error)] = None
    return list(faults)


def _resolved(source: Source, base: str) -> Source:
    policy = _table(base, source.license.policy)
    license = source.license.model_copy(update={"policy": policy})
    return source.model_copy(update={"files": _from(base, source.files), "license": license})


def _resolved_tokenizer(tokenizer: Tokenizer, base: str) -> Tokenizer:
    paths = {name: getattr(tokenizer, name) for name in WAYS if name != "train"}
    return tokenizer.model_copy(
        update={name: _from(base, path) for name, path in paths.items() if path}
    )


def _found(table: str, base: str, patterns: Sequence[str], faults: list[str]) -> tuple[str, ...]:
    """Return the files that patterns name, in their order, each once; note those that name none."""
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = files.glob(_from(base, pattern))
        if not matching:
            faults.append(f"{table}.files: {pattern}: there is no such file")
        found.update(dict.fromkeys(matching))
    return tuple(found)


def _table(base: str, name: str) -> str:
    """A policy or a profile is a name that ships with Stackpile, or the path of a TOML file."""
    return _from(base, name) if name.endswith(".toml") else name


def _from(base: str, path: str) -> str:
    return path if "://" in path else os.path.join(base, path)
