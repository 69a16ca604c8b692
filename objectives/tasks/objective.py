"""What every objective is: the base class, and the kinds of tokens in its sequences."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from manifests.config import Config
from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens
from objectives.tasks.batch import Batch, Mask, Numbers, SegmentIds, Segments
from objectives.tasks.kernels import fixed_point
from objectives.tasks.law import Law
from objectives.tasks.prefix import RATIOS, write_prefixes

S = TypeVar("S", bound=Config)

Attention = Literal["causal", "prefix"]
"""How positions attend. "causal": each one to those before it. "prefix": those at the front of a
sequence also to each other (Prefix-LM; see objectives.tasks.prefix)."""


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
    TASK = 7
    """A control token at the front of a sequence that names its task."""


class NoSettings(Config):
    """The settings of an objective that has none."""


class Objective(ABC, Generic[S]):
    """A way to make training sequences out of the tokens of documents.

    A new objective is a subclass in a module of its own and an entry in
    objectives.tasks.registry. It must define `name`, `settings_class` and `write`; `undo` and `law`
    where it adds control tokens; the other methods where the defaults are wrong. Task tokens and
    prefix attention are added to what a subclass writes.

    Attributes:
        name: its name in configs and plans.
        task: objectives of the same task share a task token; None: the task is the objective.
        settings_class: the model of its table in [data.settings].
        prefix_ratios: least and largest share of the positions of a sequence that are its prefix;
            None: attention is causal.
        writes_tokens_only: whether `write` accepts a batch without loss weights and segment ids.
        control: the control tokens of the plan.
        settings: its settings.
        task_token: id of the token at the front of each sequence; None: there is none.
    """

    name: ClassVar[str]
    task: ClassVar[str | None] = None
    settings_class: type[S]
    prefix_ratios: tuple[float, float] | None = None
    writes_tokens_only: ClassVar[bool] = False

    def __init__(
        self,
        control: SpecialTokens,
        settings: S | None = None,
        attention: Attention = "causal",
        task_token: int | None = None,
    ) -> None:
        """Check the settings (by default, the defaults) against the control tokens.

        Raises:
            UsageError: the vocabulary lacks a control token that the objective needs, or the
                objective has a prefix of its own and `attention` is "prefix".
        """
        self.control, self.task_token = control, task_token
        self.settings = self.settings_class() if settings is None else settings
        if attention == "prefix":
            if self.has_prefix:
                raise UsageError('has a prefix of its own, so attention cannot be "prefix"')
            self.prefix_ratios = RATIOS
        self.check()

    @property
    def has_prefix(self) -> bool:
        """Whether sequences have a prefix, whose positions attend to each other."""
        return self.prompt_tail is not None

    @property
    def law(self) -> Law:
        """How many control tokens a segment needs. Default: none. Read after `prepare`."""
        return Law()

    @property
    def law_with_task(self) -> Law:
        """The law, with the position of the task token."""
        law = self.law
        return law._replace(sequence_tokens=law.sequence_tokens + len(self.front))

    @property
    def front(self) -> list[int]:
        """The task token, if there is one: the first tokens of each sequence and prompt."""
        return [] if self.task_token is None else [self.task_token]

    def check(self) -> None:
        """Raise UsageError if the vocabulary lacks a control token. Default: any will do."""

    def prepare(self, tokenizer: str | None) -> None:
        """Load what `fill` needs beyond the settings; called once, before the first `fill`.

        Args:
            tokenizer: path of the tokenizer.json, or None where the caller knows no tokenizer.
        """

    def fill(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Make some rows of a batch: the task token, what `write` writes, and the prefix.

        Args:
            segments: the segments of all rows.
            sequences: int64 [n], the rows to write, in any order.
            batch: the batch; its other rows stay as they are.
        """
        if self.task_token is None:
            self.write(segments, sequences, batch)
        else:
            rows, length = batch.tokens.shape
            written = Batch.empty(rows, length - 1)
            self.write(segments, sequences, written)
            _put_behind(self.task_token, written, sequences, batch)
        if self.prefix_ratios is not None:
            low, high = map(fixed_point, self.prefix_ratios)
            write_prefixes(segments.sequence_keys, sequences, batch, low, high)

    @abstractmethod
    def write(self, segments: Segments, sequences: Numbers, batch: Batch) -> None:
        """Write some rows of a batch: tokens, loss_weights, segment_ids, and prefix if not 0.

        Each row must depend on its own segments and key alone.

        Args:
            segments: the segments of all rows.
            sequences: int64 [n], the rows to write, in any order.
            batch: the batch, without the position of the task token; its other rows must stay as
                they are.
        """

    def restore(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens and end tokens that a row was made from: the inverse of `fill`.

        Args:
            tokens: int64 [L], a row of a batch.
            segment_ids: int32 [L], the same row's segment ids.
        """
        written = slice(len(self.front), np.count_nonzero(segment_ids >= 0))
        return self.undo(tokens[written], segment_ids[written])

    def undo(self, tokens: Numbers, segment_ids: SegmentIds) -> Numbers:
        """Return the tokens and end tokens that `write` wrote a row from.

        Default: the row.

        Args:
            tokens: int64 [n], a row of a batch without its task token and its padding.
            segment_ids: int32 [n], the same row's segment ids.
        """
        return tokens

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
        kinds[: len(self.front)] = TokenKind.TASK
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

        None: the objective does not teach a model to fill gaps. The prompt begins with the task
        token.
        """
        prompt = self.gap_prompt(prefix, suffix)
        return None if prompt is None else [*self.front, *prompt]

    def gap_prompt(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int] | None:
        """Return `infill_prompt` without the task token.

        Default: None, for an objective that does not teach a model to fill gaps.
        """
        return None

    @property
    def prompt_tail(self) -> int | None:
        """How many tokens at the end of `infill_prompt` are behind its prefix.

        Default: 0, all of the prompt is the prefix; None if attention is causal.
        """
        return None if self.prefix_ratios is None else 0

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

    def gap_prompt(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int] | None:
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


def _put_behind(token: int, written: Batch, sequences: Numbers, batch: Batch) -> None:
    """Copy rows of `written` into rows of `batch`, which have a token at the front.

    Args:
        token: the id of the token.
        written: has one position less.
        sequences: int64 [n], the rows.
        batch: the batch, whose rows are written.
    """
    batch.tokens[sequences, 0] = token
    batch.loss_weights[sequences, 0] = batch.segment_ids[sequences, 0] = 0
    batch.tokens[sequences, 1:] = written.tokens[sequences]
    batch.loss_weights[sequences, 1:] = written.loss_weights[sequences]
    batch.segment_ids[sequences, 1:] = written.segment_ids[sequences]
    prefix = written.prefix[sequences]
    batch.prefix[sequences] = prefix + (prefix > 0)


def behind(starts: Numbers, segment_ids: SegmentIds) -> Mask:
    """Return which positions lie behind one of `starts`, in its segment: bool [L]."""
    positions = np.arange(len(segment_ids))
    inside = np.zeros(len(segment_ids), np.bool_)
    for start in starts.tolist():
        inside |= (positions > start) & (segment_ids == segment_ids[start])
    return inside
