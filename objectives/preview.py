"""Training sequences for people: decoded, with their control tokens, spans and origin."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from manifests.console.output import printable
from manifests.dataset.dataset import Dataset
from manifests.tokenizer.tokenizer import decode, load_tokenizer
from objectives.stream.plan import Plan
from objectives.stream.stream import Stream
from objectives.tasks.batch import FORGOTTEN, PADDING
from objectives.tasks.objective import TokenKind

STYLES = {
    TokenKind.TEXT: "",
    TokenKind.SPAN: "green",
    TokenKind.MASK: "bold yellow",
    TokenKind.SEP: "bold magenta",
    TokenKind.EOM: "bold cyan",
    TokenKind.END: "bold red",
    TokenKind.PADDING: "dim",
    TokenKind.TASK: "bold blue",
}

SHOWN_DOCUMENTS = 8
PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
"""Control characters are shown as pictures, because they would command the terminal."""


def preview_sequences(stream: Stream, count: int) -> list[dict[str, Any]]:
    """Return the first `count` sequences of a stream, decoded.

    Returns:
        For each sequence its `position`, the fields of `Stream.origin`, the shares of its positions
        with a loss (`loss`), of padding (`padding`) and of padding in the place of forgotten
        documents (`forgotten`), the length of its prefix (`prefix`), the number of segments that
        its objective changes (`eligible`) and of those that stay plain, or have fewer spans, for
        lack of positions (`thinned`), and its `runs`.
    """
    tokenizer = load_tokenizer(Dataset.open(stream.plan.components[0].dataset).tokenizer_path)
    batch, sequences = stream.batch(0, count), []
    for row in range(count):
        origin = stream.origin(row)
        tokens, segment_ids = batch.tokens[row], batch.segment_ids[row]
        kinds = stream.objectives[origin["objective"]].token_kinds(tokens, segment_ids)
        sequences.append(
            {
                "position": row,
                **origin,
                "loss": float(np.mean(batch.loss_weights[row] != 0)),
                "padding": float(np.mean(segment_ids == PADDING)),
                "forgotten": float(np.mean(segment_ids == FORGOTTEN)),
                "prefix": int(batch.prefix[row]),
                "eligible": int(batch.eligible[row]),
                "thinned": int(batch.thinned[row]),
                "runs": runs(tokens, segment_ids, kinds, lambda ids: decode(tokenizer, ids)),
            }
        )
    return sequences


def describe_units(plan: Plan) -> dict[str, Any]:
    """Return the sequences of a unit by objective, and what the planner expects.

    Returns:
        `sequences` (objective -> number), and the shares of the positions that are padding
        (`padding`) and of the eligible segments that are thinned (`thinned`).
    """
    expected = {"padding": round(plan.padding, 6), "thinned": round(plan.thinned, 6)}
    return {"sequences": dict(Counter(plan.slots)), **expected}


def runs(
    tokens: npt.NDArray[np.int64],
    segment_ids: npt.NDArray[np.int32],
    kinds: npt.NDArray[np.intp],
    decoded: Callable[[Sequence[int]], str],
) -> list[dict[str, Any]]:
    """Return the runs of consecutive tokens of one kind and segment.

    Args:
        tokens: int64 [L], a row of a batch.
        segment_ids: int32 [L], the same row's segment ids.
        kinds: intp [L], the TokenKind of each token.
        decoded: ids -> text.

    Returns:
        For each run its `kind` (the name of a TokenKind in lower case), its number of `tokens`, and
        its `text`.
    """
    changed = (np.diff(kinds) != 0) | (np.diff(segment_ids) != 0)
    bounds = [0, *(np.flatnonzero(changed) + 1).tolist(), len(tokens)]
    return [
        {
            "kind": TokenKind(kinds[start]).name.lower(),
            "tokens": stop - start,
            "text": decoded(tokens[start:stop].tolist()),
        }
        for start, stop in pairwise(bounds)
    ]


def render_sequences(units: dict[str, Any], sequences: Sequence[dict[str, Any]]) -> RenderableType:
    """Return decoded sequences as Rich prints them, in lines as long as those of the texts.

    Args:
        units: of `describe_units`.
        sequences: of `preview_sequences`.
    """
    parts = ", ".join(f"{count} {name}" for name, count in units["sequences"].items())
    expected = f"{units['padding']:.2%} padding, {units['thinned']:.2%} of changed segments thinned"
    lines = [
        _line(f"units of {parts} · expected: {expected}"),
        _line(*((f"{kind.name.lower()}  ", style) for kind, style in STYLES.items())),
        _line(),
    ]
    for sequence in sequences:
        head = "position {position} · {component} · epoch {epoch} · {objective}".format(**sequence)
        share = f" · loss on {sequence['loss']:.1%}, padding {sequence['padding']:.2%}"
        share += f", forgotten {sequence['forgotten']:.2%}" if sequence["forgotten"] else ""
        share += f", prefix of {sequence['prefix']:,}" if sequence["prefix"] else ""
        share += f", {sequence['eligible']} segments changed" if sequence["eligible"] else ""
        share += f", {sequence['thinned']} of them in part or not" if sequence["thinned"] else ""
        lines.append(_line((head, "bold"), (share, "dim")))
        documents = sequence["documents"]
        lines += [_line((_origin(document), "dim")) for document in documents[:SHOWN_DOCUMENTS]]
        if len(documents) > SHOWN_DOCUMENTS:
            lines.append(_line((f"    and {len(documents) - SHOWN_DOCUMENTS} more", "dim")))
        lines += [_line(), _line(*(_styled(run) for run in sequence["runs"])), _line()]
    return Group(*lines)


def _line(*parts: str | tuple[str, str]) -> Text:
    """Return (text, style) parts as one line that does not wrap."""
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")


def _origin(document: dict[str, Any]) -> str:
    """Return the line that names a document."""
    row = document["row"]
    repository = ", ".join(row.get("repositories") or ["-"])
    stop = document["start"] + document["tokens"]
    where = f"    {repository}  {row.get('path')}  [{row.get('license') or 'no license'}]"
    line = f"{where}  tokens {document['start']:,} to {stop:,} of {row['tokens']:,}"
    return _visible(line).replace("\n", "\u240a")


def _visible(text: str) -> str:
    """Return a text with pictures, or U+FFFD, in the place of control characters."""
    return printable(text.translate(PICTURES))


def _styled(run: dict[str, Any]) -> tuple[str, str]:
    """Return the text and the style of a run."""
    kind = TokenKind[run["kind"].upper()]
    if kind is TokenKind.PADDING:
        return f"<padding x {run['tokens']}>", STYLES[kind]
    ending = "\n" if kind is TokenKind.END else ""
    return _visible(run["text"]) + ending, STYLES[kind]
