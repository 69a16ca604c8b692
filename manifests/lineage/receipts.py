"""Receipts of parts. A part with a receipt is done; a manifest is the sum of all receipts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from manifests.errors import DataError
from manifests.io import files
from manifests.schemas import FORMAT

DIRECTORY = "receipts"


class Record(BaseModel):
    """Base of the models of JSON files: frozen, and unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Count(Record):
    """Documents and the bytes of their text."""

    documents: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)

    def __add__(self, other: "Count") -> "Count":
        """Add field by field."""
        return Count(documents=self.documents + other.documents, bytes=self.bytes + other.bytes)


class ComponentFunnel(Record):
    """Counts of a component: its input, what each rule rejected, and its output."""

    documents_in: int = Field(default=0, ge=0)
    bytes_in: int = Field(default=0, ge=0)
    rejected: dict[str, Count] = Field(default_factory=dict)
    """Rule -> rejected documents. A document counts for the first rule that rejects it."""
    documents: int = Field(default=0, ge=0)
    """Kept documents: `documents_in` minus all rejected documents."""
    bytes: int = Field(default=0, ge=0)
    """Bytes of the texts of the kept documents in the output."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens of the kept documents; null if the step makes no tokens."""

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


Counts = dict[str, int | dict[str, int]]
"""Name -> a count, or a table of counts."""

Funnel = dict[str, dict[str, ComponentFunnel]]
"""Source -> component (`source/slug`) -> its funnel."""


class FileRecord(Record):
    """Size and SHA-256 of a written file."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Receipt(Record):
    """The files and counts of a finished part, without times and names of machines."""

    version: int = FORMAT
    """The version of all file formats together."""
    name: str
    """Name of the part: a digest of its input, its range and the step."""
    step: str
    """`license_filter`, `signatures`, `duplicates`, `tokenize`, ..."""
    digest: str
    """The step digest: of config, policies, tables, tokenizer, parent manifest and format."""
    files: dict[str, FileRecord] = Field(default_factory=dict)
    """Path relative to the step's directory -> the file."""
    counts: Counts = Field(default_factory=dict)
    """Other counts of the step."""
    funnel: Funnel = Field(default_factory=dict)
    last: bool = True
    """Whether no other part of the same input follows; an input that cannot be cut has several."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Values that the step needs for its manifest."""


def file_record(directory: str, path: str) -> FileRecord:
    """Return the size and SHA-256 of a finished file at `path` relative to `directory`."""
    url = files.join(directory, path)
    return FileRecord(bytes=files.size(url), sha256=files.sha256(url))


def write_receipt(
    directory: str,
    paths: Iterable[str],
    known: Mapping[str, FileRecord] = MappingProxyType({}),
    **fields: Any,
) -> Receipt:
    """Write the receipt of a finished part in a step's directory, and return it.

    Args:
        directory: the step's.
        paths: the files of the part, relative to the directory.
        known: path -> record of files whose SHA-256 need not be computed.
        fields: the other fields of the receipt.
    """
    records = {path: known.get(path) or file_record(directory, path) for path in paths}
    receipt = Receipt(files=records, **fields)
    save_receipt(directory, receipt)
    return receipt


def receipt_url(directory: str, name: str) -> str:
    """Return the URL of the receipt of a part."""
    return files.join(directory, DIRECTORY, f"{name}.json")


def save_receipt(directory: str, receipt: Receipt) -> None:
    """Write a receipt in a step's directory, atomically."""
    files.write_json(receipt_url(directory, receipt.name), receipt.model_dump(mode="json"))


def load_receipt(directory: str, name: str) -> Receipt | None:
    """Return the receipt of a part; None if it does not exist or is not written to its end.

    Raises:
        DataError: the file is not a receipt of this version.
    """
    url = receipt_url(directory, name)
    data = files.read_if_exists(url)
    if data is None or not data.endswith(b"\n"):
        return None
    try:
        receipt = Receipt.model_validate_json(data)
    except ValidationError as error:
        raise DataError(f"{url}: is not a receipt: {first_fault(error)}") from None
    if receipt.version != FORMAT:
        raise DataError(
            f"{url}: has version {receipt.version}; this program reads version {FORMAT}"
        )
    if receipt.name != name:
        raise DataError(f"{url}: name is {receipt.name!r}, not that of the file")
    return receipt


def receipt_names(directory: str) -> list[str]:
    """Return the sorted names of the parts that have receipts in a step's directory."""
    names = files.list_names(files.join(directory, DIRECTORY))
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def whole_receipt(directory: str, name: str) -> Receipt | None:
    """Return the receipt of a part if every file of it exists with its recorded size.

    Raises:
        DataError: as `load_receipt`.
    """
    receipt = load_receipt(directory, name)
    return receipt if receipt and _is_whole(directory, receipt) else None


def _is_whole(directory: str, receipt: Receipt) -> bool:
    """Tell whether every file of a receipt exists with its recorded size."""
    try:
        sizes = {path: files.size(files.join(directory, path)) for path in receipt.files}
    except FileNotFoundError:
        return False
    return has_files(sizes, receipt)


def has_files(sizes: Mapping[str, int], receipt: Receipt) -> bool:
    """Tell whether a directory, as path -> bytes, has every file of a receipt at its size."""
    return all(sizes.get(path) == record.bytes for path, record in receipt.files.items())


def merge_funnels(funnels: Iterable[Funnel]) -> Funnel:
    """Return the sum of funnels, with sorted keys. The order of the funnels does not matter."""
    total: Funnel = {}
    for funnel in funnels:
        for source, components in funnel.items():
            into = total.setdefault(source, {})
            for component, counted in components.items():
                into[component] = into.get(component, ComponentFunnel()) + counted
    return {source: dict(sorted(total[source].items())) for source in sorted(total)}


def sum_funnel(funnel: Funnel) -> ComponentFunnel:
    """Return the sum of all components of a funnel."""
    counts = (count for components in funnel.values() for count in components.values())
    return sum(counts, ComponentFunnel())


def sum_counts(receipts: Iterable[Receipt], name: str) -> dict[str, int]:
    """Return the sum of a table of `counts` over receipts, with sorted keys."""
    total: Counter[str] = Counter()
    for receipt in receipts:
        counts = receipt.counts.get(name, {})
        assert isinstance(counts, dict)
        total.update(counts)
    return dict(sorted(total.items()))


def first_fault(error: ValidationError) -> str:
    """Return the first fault of a model as `field: message`."""
    fault = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
