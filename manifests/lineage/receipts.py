"""Receipts: written last, a receipt makes a part done; every manifest is a fold over them."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from manifests.errors import DataError
from manifests.io import files
from manifests.schemas import FORMAT

DIRECTORY = "receipts"


class Record(BaseModel):
    """A model of a JSON file of ours: unknown fields are faults, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Count(Record):
    """Documents and the bytes of their text."""

    documents: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)

    def __add__(self, other: "Count") -> "Count":
        """Add field by field."""
        return Count(documents=self.documents + other.documents, bytes=self.bytes + other.bytes)


class ComponentFunnel(Record):
    """What came in of a component, what was rejected by which rule, and what was kept."""

    documents_in: int = Field(default=0, ge=0)
    bytes_in: int = Field(default=0, ge=0)
    rejected: dict[str, Count] = Field(default_factory=dict)
    """Rule -> what it took; a document is counted under one rule, the first that took it."""
    documents: int = Field(default=0, ge=0)
    """Kept: `documents_in` less all that was rejected."""
    bytes: int = Field(default=0, ge=0)
    """Text of the kept documents, as it went out."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens of the kept documents; null where the step makes none."""

    @model_validator(mode="after")
    def _nothing_disappears(self) -> Self:
        rejected = sum(count.documents for count in self.rejected.values())
        if self.documents_in != rejected + self.documents:
            raise ValueError(
                f"{self.documents_in} documents came in, but {rejected} rejected "
                f"and {self.documents} kept ones are counted"
            )
        return self

    def __add__(self, other: "ComponentFunnel") -> "ComponentFunnel":
        """Add field by field, rule by rule."""
        tokens = [t for t in (self.tokens, other.tokens) if t is not None]
        return ComponentFunnel(
            documents_in=self.documents_in + other.documents_in,
            bytes_in=self.bytes_in + other.bytes_in,
            rejected={
                rule: self.rejected.get(rule, Count()) + other.rejected.get(rule, Count())
                for rule in sorted(self.rejected.keys() | other.rejected.keys())
            },
            documents=self.documents + other.documents,
            bytes=self.bytes + other.bytes,
            tokens=sum(tokens) if tokens else None,
        )


Funnel = dict[str, dict[str, ComponentFunnel]]
"""Source -> component (`source/slug`) -> its funnel."""


class FileRecord(Record):
    """A file as it was written."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Receipt(Record):
    """What a part made. It holds no times and no host names: equal work, equal bytes."""

    version: int = FORMAT
    """The version of all file formats together."""
    name: str
    """The part's name: a digest of its input, its range and the step."""
    step: str
    """`license_filter`, `signatures`, `duplicates`, `tokenize`, ..."""
    digest: str
    """The step digest: of config, policies, tables, tokenizer, parent manifest and format."""
    files: dict[str, FileRecord] = Field(default_factory=dict)
    """Path relative to the step's directory -> the file."""
    counts: dict[str, int | dict[str, int]] = Field(default_factory=dict)
    """Whatever else the step counts."""
    funnel: Funnel = Field(default_factory=dict)
    last: bool = True
    """No further part follows of the same input (an unsplittable input makes many)."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """What the step needs to fold its manifest, and nobody else reads."""


def file_record(directory: str, path: str) -> FileRecord:
    """Return the size and SHA-256 of a finished file at `path` relative to `directory`."""
    url = files.join(directory, path)
    return FileRecord(bytes=files.size(url), sha256=files.sha256(url))


def receipt_url(directory: str, name: str) -> str:
    """Return where the receipt of a part lies."""
    return files.join(directory, DIRECTORY, f"{name}.json")


def save_receipt(directory: str, receipt: Receipt) -> None:
    """Write a receipt under a step's directory, whole or not at all."""
    files.write_json(receipt_url(directory, receipt.name), receipt.model_dump(mode="json"))


def load_receipt(directory: str, name: str) -> Receipt | None:
    """Return the receipt of a part; None when it has none.

    Raises:
        DataError: the file is there, but it is no receipt of this version.
    """
    url = receipt_url(directory, name)
    if not files.exists(url):
        return None
    try:
        receipt = Receipt.model_validate_json(files.read_bytes(url))
    except ValidationError as error:
        raise DataError(f"{url}: is not a receipt: {first_fault(error)}") from None
    if receipt.version != FORMAT:
        raise DataError(f"{url}: is of version {receipt.version}; this program reads {FORMAT}")
    if receipt.name != name:
        raise DataError(f"{url}: name is {receipt.name!r}, not that of the file")
    return receipt


def receipt_names(directory: str) -> list[str]:
    """Return the sorted names of the parts that have receipts in a step's directory."""
    found = files.list_names(files.join(directory, DIRECTORY))
    return [name.removesuffix(".json") for name in found if name.endswith(".json")]


def is_whole(directory: str, receipt: Receipt) -> bool:
    """Tell whether every file of a receipt is there with its recorded size."""
    try:
        sizes = {path: files.size(files.join(directory, path)) for path in receipt.files}
    except FileNotFoundError:
        return False
    return all(sizes[path] == record.bytes for path, record in receipt.files.items())


def merge_funnels(funnels: Iterable[Funnel]) -> Funnel:
    """Add funnels up: associative and commutative, with sorted keys; no funnels, an empty one."""
    total: Funnel = {}
    for funnel in funnels:
        for source, components in funnel.items():
            into = total.setdefault(source, {})
            for component, counted in components.items():
                into[component] = into.get(component, ComponentFunnel()) + counted
    return {source: dict(sorted(total[source].items())) for source in sorted(total)}


def first_fault(error: ValidationError) -> str:
    """Return the first fault of a JSON file of ours as `field: what is wrong`."""
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
