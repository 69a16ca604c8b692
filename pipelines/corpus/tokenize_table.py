"""The table `[tokenize]` of CORPUS.toml."""

import os
import re
from typing import Annotated, Any

from pydantic import Field, model_validator

from manifests.config import Config
from manifests.special_tokens import MASKS

ORIGINS = ("file", "train", "codegen2", "codegen25")
"""Fields of `Tokenizer`, of which exactly one is given."""


class Tokenizer(Config):
    """Where the tokenizer comes from: one of `file`, `train`, `codegen2` and `codegen25`."""

    file: str | None = None
    """The path of a Hugging Face tokenizer.json; `tokenizer = "PATH"` says the same."""
    train: Annotated[int, Field(ge=512, le=1 << 20)] | None = None
    """Size of a byte-level BPE vocabulary, special tokens included, to train on the documents that
    dedup keeps."""
    masks: Annotated[int, Field(ge=1, le=899)] = MASKS
    """Mask tokens of a trained tokenizer. Ours: no sequence of 2,048 tokens uses more, by any
    objective. CodeGen2 has 899."""
    codegen2: str | None = None
    """The path of GPT-2's `vocab.bpe`, from which CodeGen2's vocabulary is rebuilt."""
    codegen25: str | None = None
    """The path of GPT-2's `vocab.bpe`, from which CodeGen2.5's vocabulary is rebuilt."""

    @model_validator(mode="before")
    @classmethod
    def _path_is_file(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_one(self) -> "Tokenizer":
        if sum(getattr(self, name) is not None for name in ORIGINS) != 1:
            raise ValueError("give a path, { train = ENTRIES } or { codegen2 = PATH }")
        return self

    @property
    def given(self) -> str:
        """The name of the one field that is given."""
        return next(name for name in ORIGINS if getattr(self, name) is not None)

    @property
    def path(self) -> str | None:
        """The file from which the tokenizer is read or rebuilt; None for a trained tokenizer."""
        return self.file or self.codegen2 or self.codegen25


class Tokenize(Config):
    """How documents become tokens."""

    tokenizer: Tokenizer = Tokenizer(train=32000)
    """A path, or a table with `train`, `codegen2` or `codegen25`; by default trained with 32,000
    entries (ours; CodeGen2's base vocabulary has 50,257)."""
    heldout: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Share of the repositories whose documents are held out for validation. If it selects none,
    one repository is held out. Ours: of 100 million tokens it holds out some 100,000, enough for a
    loss."""

    @property
    def name(self) -> str:
        """The last half of `tokenize-NAME`."""
        if self.tokenizer.train:
            return f"bpe-{self.tokenizer.train}"
        if self.tokenizer.codegen2 or self.tokenizer.codegen25:
            return self.tokenizer.given
        stem = os.path.basename(self.tokenizer.file or "").removesuffix(".json")
        return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "tokenizer"
