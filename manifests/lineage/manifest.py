"""manifest.json: the totals, config and digests of a finished job."""

import json
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from manifests.errors import DataError
from manifests.io import files
from manifests.io.digest import digest
from manifests.lineage import StepName
from manifests.lineage.receipts import Counts, Funnel, Record, first_fault
from manifests.special_tokens import SpecialTokens

VERSION = 1
"""Version of the schema of manifests. A program reads its own version and older ones."""

FILE = "manifest.json"
HEX = "^[0-9a-f]{64}$"

HELDOUT = "heldout"
"""Key of `extra` in a license_filter manifest: the repository that is held out because the share
of [tokenize] selects none, or null."""


class Parent(Record):
    """The manifest of the job before this one."""

    path: str
    """Directory of the parent, relative to this one if both are in one output."""
    digest: str = Field(pattern=HEX)
    """SHA-256 of the parent's manifest.json."""


class Totals(Record):
    """Sums over the whole job."""

    parts: int = Field(default=0, ge=0)
    documents_in: int = Field(default=0, ge=0)
    bytes_in: int = Field(default=0, ge=0)
    documents: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    shards: int | None = Field(default=None, ge=0)
    blocks: int | None = Field(default=None, ge=0)


class FailedInput(Record):
    """An input that could not be read. The job continued without it."""

    source: str
    input: str
    error: str


class TokenizerRecord(Record):
    """The tokenizer of the shards."""

    file: str = "tokenizer.json"
    """Path relative to the dataset."""
    sha256: str = Field(pattern=HEX)
    vocabulary: int = Field(ge=1)
    """One more than the largest id, control ids among them."""
    dtype: Literal["uint16", "uint32"]
    """Of the tokens on disk."""
    control: SpecialTokens


class ComponentTotals(Record):
    """Totals of the shards of one component."""

    documents: int = Field(ge=0)
    tokens: int = Field(ge=0)
    bytes: int = Field(ge=0)
    """Text, as UTF-8."""
    shards: int = Field(ge=1)
    blocks: int = Field(ge=0)
    digest: str = Field(pattern=HEX)
    """SHA-256 over the SHA-256 digests (32 bytes each) of its shards, in order."""

    @property
    def addresses(self) -> int:
        """The length of an epoch: the tokens, and one end address for each document."""
        return self.tokens + self.documents


class Manifest(Record):
    """The input of a job, what each rule removed, the output, and the digests of its files."""

    version: int = VERSION
    step: StepName
    digest: str
    """The step digest: of config, policies, tables, tokenizer, parent manifest and format."""
    config: dict[str, Any]
    """The tables of CORPUS.toml that the step used, with defaults."""
    parent: Parent | None = None
    totals: Totals
    funnel: Funnel
    counts: Counts = Field(default_factory=dict)
    """Other counts of the step, summed over its receipts."""
    tables: dict[str, str] = Field(default_factory=dict)
    """File relative to the directory -> its SHA-256."""
    failed: list[FailedInput] = Field(default_factory=list)
    tokenizer: TokenizerRecord | None = None
    components: dict[str, ComponentTotals] = Field(default_factory=dict)
    """`source/slug` -> its shards for training."""
    heldout_components: dict[str, ComponentTotals] = Field(default_factory=dict)
    """`source/slug` -> its shards for validation."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Values of one kind of step, such as the profile of dedup."""

    @model_validator(mode="after")
    def _sums_agree(self) -> Self:
        funnels = [part for components in self.funnel.values() for part in components.values()]
        for field in ("documents_in", "bytes_in", "documents", "bytes", "tokens"):
            counts = [n for part in funnels if (n := getattr(part, field)) is not None]
            total, parts = getattr(self.totals, field), sum(counts)
            if total != parts and (counts or field != "tokens"):
                raise ValueError(f"totals.{field} is {total}, but the funnel adds up to {parts}")
        if self.step == "tokenize":
            self._shards_agree()
        return self

    def _shards_agree(self) -> None:
        if self.tokenizer is None:
            raise ValueError("tokenizer is missing")
        everything = [*self.components.values(), *self.heldout_components.values()]
        for field in ("documents", "tokens", "shards", "blocks"):
            total = getattr(self.totals, field)
            parts = sum(getattr(component, field) for component in everything)
            if total != parts:
                raise ValueError(f"totals.{field} is {total}, but components add up to {parts}")


def save_manifest(directory: str, manifest: Manifest) -> None:
    """Write manifest.json atomically, with the digest of its content as `seal`."""
    content = manifest.model_dump(mode="json")
    files.write_json(files.join(directory, FILE), {**content, "seal": digest(content)})


def load_manifest(directory: str) -> Manifest:
    """Read and check a directory's manifest.json.

    Raises:
        DataError: the file does not exist, has a newer version, was edited by hand, or its sums
            do not agree.
    """
    url = files.join(directory, FILE)
    try:
        content = json.loads(files.read_bytes(url))
    except ValueError as error:
        raise DataError(f"{url}: is not JSON: {error}") from None
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise DataError(f"{url}: version is missing: this is not a manifest")
    if version > VERSION:
        raise DataError(f"{url}: has version {version}; this program reads up to {VERSION}")
    seal = content.pop("seal", None)
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{url}: {first_fault(error)}") from None
    if seal != digest(content):
        raise DataError(f"{url}: seal does not match the content: the file was edited by hand")
    return manifest


def manifest_digest(directory: str) -> str:
    """Return the SHA-256 of a directory's manifest.json, which identifies a finished job."""
    return files.sha256(files.join(directory, FILE))


def manifest_schema() -> dict[str, Any]:
    """Return the published JSON Schema of manifest.json."""
    schema = Manifest.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"Stackpile manifest, version {VERSION}"
    schema["properties"]["seal"] = {
        "type": "string",
        "pattern": HEX,
        "description": "SHA-256 of the canonical JSON of all other fields.",
    }
    schema["required"] = sorted({*schema.get("required", []), "version", "seal"})
    return schema
