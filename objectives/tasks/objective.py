"""What every objective is: the base class, and the kinds of tokens in its sequences."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from manifests.config import Config
from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.law import Law

S = TypeVar("S", bound=Config)


class TokenKind(IntEnum):
    """What a token of a sequence is."""

    TEXT = 0
    """A token of a document that the model reads, or predicts as plain text."""
    SPAN = 1
    """A token of a document that the model fills in."""
    MASK = 2
    """A control token that stands for a span or names a part of the document."""
    SEP = 3
    EOM = 4
    END = 5
    PADDING = 6


class NoSettings(Config):
    """The settings of an objective that has none."""


class Objective(ABC, Generic[S]):
    """A way to make training sequences out of the tokens of documents.

    A new objective is a subclass in a module of its own and an entry in
    objectives.tasks.registry. It must define `name`, `settings_class` and `fill`; `restore` and
    `law` where it adds control tokens; the other methods where the defaults are wrong.

    Attributes:
        name: its name in configs and plans.
        settings_class: the model of its table in [data.settings].
        has_prefix: whether it writes `Batch.prefix`.
        fills_tokens_only: whether `fill` accepts a batch without loss weights and segment ids.
        control: the control tokens of the plan.
        settings: its settings.
    """

    name: ClassVar[str]
    has_prefix: ClassVar[bool] = False
    fills_tokens_only: ClassVar[bool] = False
    settings_class: type[S]

    def __init__(self, control: SpecialTokens, settings: S | None = None) -> None:
        """Check the settings (by default, the defaults) against the control tokens.

        Raises:
            UsageError: the vocabulary lacks a control token that the objective needs.
        """
        self.control = control
        self.settings = self.settings_class() if settings is None else settings
        self.check()

    @property
    def law(self) -> Law:
        """How many control tokens a segment needs. Default: none. Read after `prepare`."""
        return Law()

    def check(self) -> None:
        """Raise UsageError if the vocabulary lacks a control token. Default: any will do."""

    def prepare(self, tokenizer: str | None) -> None:
        """Load what `fill` needs beyond the settings; called once, before the first `fill`.

        Args:
            tokenizer: path of the tokenizer.json, or None where the caller knows no tokenizer.
        """

    @abstractmethod
    def fill(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch: tokens, loss_weights, segment_ids, and prefix if not 0.

        Each row must depend on its own segments and key alone.

        Args:
            segments: the segments of all rows.
            sequences: int64 [n], the rows to write, in any order.
            batch: the batch; its other rows must stay as they are.
        """

    def restore(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens and end tokens that a row was made from: the inverse of `fill`.

        Default: the row without its padding.

        Args:
            tokens: int64 [L], a row of a batch.
            segment_ids: int32 [L], the same row's segment ids.
        """
        return tokens[: np.count_nonzero(segment_ids >= 0)]

    def token_kinds(self, tokens: Numbers, segment_ids: SegmentIds) -> npt.NDArray[np.intp]:
        """Return the TokenKind of each token of a row: intp [L].

        Args:
            tokens: int64 [L], a row of a batch.
            segment_ids: int32 [L], the same row's segment ids.
        """
        control = self.control
        filled = self.filled_in(tokens, segment_ids)
        kinds = np.where(filled, TokenKind.SPAN, TokenKind.TEXT).astype(np.intp)
        kinds[np.isin(tokens, self.mask_ids)] = TokenKind.MASK
        kinds[tokens == control.eom] = TokenKind.EOM
        kinds[tokens == control.sep] = TokenKind.SEP
        kinds[tokens == control.end] = TokenKind.END
        kinds[segment_ids < 0] = TokenKind.PADDING
        return kinds

    def filled_in(self, tokens: Numbers, segment_ids: SegmentIds) -> Mask:
        """Return where the model fills in spans, the control tokens between them included.

        Default: nowhere.
        """
        return np.zeros(len(tokens), np.bool_)

    @property
    def mask_ids(self) -> list[int]:
        """The control tokens of kind MASK. Default: the masks of the vocabulary."""
        return [self.control.mask(number) for number in range(1, self.control.masks + 1)]

    def infill_prompt(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int] | None:
        """Return a prompt that a trained model answers with the text between prefix and suffix.

        Default: None, for an objective that does not teach a model to fill gaps.
        """
        return None

    @property
    def stop_tokens(self) -> frozenset[int]:
        """The tokens that end the answer to `infill_prompt`. Default: the end token."""
        return frozenset({self.control.end})


class SpanObjective(Objective[S]):
    """An objective that puts masks in place of spans, and the spans behind the text.

    Attributes:
        has_sep: whether <sep> separates the text from the spans.
    """

    has_sep: ClassVar[bool] = True

    def check(self) -> None:
        """Raise UsageError if the vocabulary lacks <eom>, masks or, if `has_sep`, <sep>."""
        control = self.control
        if control.eom is None or not control.masks or (self.has_sep and control.sep is None):
            names = "<sep>, <eom>" if self.has_sep else "<eom>"
            raise UsageError(f"{names} and masks are not in the tokenizer's vocabulary")

    def infill_prompt(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int] | None:
        """Return prefix <mask_1> suffix <|endoftext|> <sep> <mask_1> (model card of codegen2-1B).

        <sep> is left out without `has_sep`.
        """
        control, sep = self.control, self.control.sep if self.has_sep else None
        between = [control.end] if sep is None else [control.end, sep]
        return [*prefix, control.mask(1), *suffix, *between, control.mask(1)]

    @property
    def stop_tokens(self) -> frozenset[int]:
        """<eom> alone (arXiv 2305.02309, section 3.3: "we only use the end-of-mask token")."""
        return frozenset(() if self.control.eom is None else {self.control.eom})


def require_below_vocabulary(control: SpecialTokens, name: str, number: int | None) -> None:
    """Raise UsageError if a setting names an id that is not below the vocabulary."""
    if number is not None and number >= control.vocabulary:
        raise UsageError(f"{name} is {number}, not below the vocabulary {control.vocabulary}")


def behind(starts: Numbers, segment_ids: SegmentIds) -> Mask:
    """Return which positions lie behind one of `starts`, in its segment: bool [L]."""
    positions = np.arange(len(segment_ids))
    inside = np.zeros(len(segment_ids), np.bool_)
    for start in starts.tolist():
        inside |= (positions > start) & (segment_ids == segment_ids[start])
    return inside
