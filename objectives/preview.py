"""Training sequences as people want to see them: what is span, what is control, where from."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from manifests.dataset.dataset import Dataset
from manifests.special_tokens import SpecialTokens
from manifests.tokenizer.tokenizer import decode, load_tokenizer
from objectives.stream.plan import Plan
from objectives.stream.stream import Stream
from objectives.tasks import fim, ul2
from objectives.tasks.batch import FORGOTTEN, PADDING
from objectives.tasks.registry import OBJECTIVES

STYLES = {
    "text": "",
    "span": "green",
    "mask": "bold yellow",
    "sep": "bold magenta",
    "eom": "bold cyan",
    "end": "bold red",
    "padding": "dim",
}
"""What a token is -> how it looks. A span is what the model is to fill in, behind its mask."""

KINDS = list(STYLES)
SHOWN_DOCUMENTS = 8
PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
"""Control characters of a text would command the terminal; their pictures do not."""


def peek(stream: Stream, count: int) -> list[dict[str, Any]]:
    """Return the first `count` sequences of a stream, decoded.

    Each has its `position`, what `Stream.origin` says of it, `runs` (consecutive tokens of one
    `kind` of STYLES, with their `text` and number of `tokens`), and `loss`, `padding`
    and `forgotten`: shares of its positions that are learned, that hold nothing, and that held
    what is forgotten, and `prefix`, how many positions at its front see each other.
    """
    tokenizer = load_tokenizer(Dataset.open(stream.plan.components[0].dataset).tokenizer_path)
    batch, control = stream.batch(0, count), stream.plan.control
    names, sentinels = list(OBJECTIVES), _sentinels(stream.plan)
    made_by = [names[number] for number in batch.objective]
    return [
        {
            "position": row,
            **stream.origin(row),
            "loss": float(np.count_nonzero(batch.loss_weights[row]) / stream.plan.sequence_length),
            "padding": float(np.mean(batch.segment_ids[row] == PADDING)),
            "forgotten": float(np.mean(batch.segment_ids[row] == FORGOTTEN)),
            "prefix": int(batch.prefix[row]),
            "runs": runs(
                batch.tokens[row],
                batch.segment_ids[row],
                kinds_of(
                    batch.tokens[row], batch.segment_ids[row], control, made_by[row], sentinels
                ),
                lambda ids: decode(tokenizer, ids),
            ),
        }
        for row in range(count)
    ]


def runs(
    tokens: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int32],
    kinds: npt.NDArray[np.intp],
    decoded: Callable[[Sequence[int]], str],
) -> list[dict[str, Any]]:
    """Return consecutive tokens of one kind together: `kind`, `tokens` (how many), `text`.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents.
        kinds: intp [L], what `kinds_of` says of it.
        decoded: ids -> text.
    """
    changed = (np.diff(kinds) != 0) | (np.diff(documents) != 0)
    bounds = [0, *(np.flatnonzero(changed) + 1).tolist(), len(tokens)]
    return [
        {
            "kind": KINDS[kinds[start]],
            "tokens": stop - start,
            "text": decoded(tokens[start:stop].tolist()),
        }
        for start, stop in pairwise(bounds)
    ]


def kinds_of(
    tokens: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int32],
    control: SpecialTokens,
    objective: str,
    sentinels: Sequence[int] = (),
) -> npt.NDArray[np.intp]:
    """Return what each token of a row is: intp [L], indices into KINDS.

    Args:
        tokens: int64 [L], a row of a batch.
        documents: int32 [L], the same row's documents.
        control: the plan's control ids.
        objective: what the row was made by.
        sentinels: ids that `fim` has for prefix, suffix and middle.
    """
    kinds = np.zeros(len(tokens), np.intp)
    masks = [control.mask(number) for number in range(1, control.masks + 1)]
    kinds[np.isin(tokens, [*masks, *sentinels])] = KINDS.index("mask")
    kinds[tokens == control.eom] = KINDS.index("eom")
    for start in _answers(objective, tokens, documents, control, sentinels):
        inside = np.arange(len(tokens)) > start
        if objective not in ul2.DENOISERS:  # whose answers stand behind the whole sequence
            inside &= documents == documents[start]
        kinds[inside & (kinds == 0)] = KINDS.index("span")
    kinds[tokens == control.sep] = KINDS.index("sep")
    kinds[tokens == control.end] = KINDS.index("end")
    kinds[documents < 0] = KINDS.index("padding")
    return kinds


def _answers(
    objective: str,
    tokens: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int32],
    control: SpecialTokens,
    sentinels: Sequence[int],
) -> list[int]:
    """Return the positions behind which stands what the model is to fill in."""
    places = np.flatnonzero(tokens == control.sep)
    if objective == "fim":
        places = np.flatnonzero(tokens == sentinels[2])
    if objective == "causal_masking":
        masks = np.flatnonzero(tokens == control.mask_1)
        places = masks[1:][documents[masks[1:]] == documents[masks[:-1]]]
    return [int(place) for place in places]


def _sentinels(plan: Plan) -> tuple[int, ...]:
    objectives = {slot.objective for stage in plan.stages for slot in stage.slots}
    settings = fim.Settings.model_validate(plan.settings.get("fim", {}))
    return fim.sentinels_of(plan.control, settings) if "fim" in objectives else ()


def render(sequences: Sequence[dict[str, Any]]) -> RenderableType:
    """Return what `peek` found as Rich prints it; lines are as long as those of the texts."""
    lines = [_line(*((f"{kind}  ", style) for kind, style in STYLES.items())), _line()]
    for sequence in sequences:
        head = "position {position} · {component} · epoch {epoch} · {objective}".format(**sequence)
        share = f" · loss on {sequence['loss']:.1%}, padding {sequence['padding']:.2%}"
        share += f", forgotten {sequence['forgotten']:.2%}" if sequence["forgotten"] else ""
        share += f", prefix of {sequence['prefix']:,}" if sequence["prefix"] else ""
        lines.append(_line((head, "bold"), (share, "dim")))
        documents = sequence["documents"]
        lines += [_line((_origin(each), "dim")) for each in documents[:SHOWN_DOCUMENTS]]
        if len(documents) > SHOWN_DOCUMENTS:
            lines.append(_line((f"    and {len(documents) - SHOWN_DOCUMENTS} more", "dim")))
        lines += [_line(), _line(*(_run(run) for run in sequence["runs"])), _line()]
    return Group(*lines)


def _line(*pieces: tuple[str, str]) -> Text:
    return Text.assemble(*pieces, no_wrap=True, overflow="ignore")


def _origin(document: dict[str, Any]) -> str:
    row = document["row"]
    repository = ", ".join(row.get("repositories") or ["-"])
    stop = document["start"] + document["tokens"]
    where = f"    {repository}  {row.get('path')}  [{row.get('license') or 'no license'}]"
    line = f"{where}  tokens {document['start']:,} to {stop:,} of {row['tokens']:,}"
    return line.translate(PICTURES).replace("\n", "\u240a")


def _run(run: dict[str, Any]) -> tuple[str, str]:
    if run["kind"] == "padding":
        return f"<padding x {run['tokens']}>", STYLES["padding"]
    ending = "\n" if run["kind"] == "end" else ""
    return run["text"].translate(PICTURES) + ending, STYLES[run["kind"]]
