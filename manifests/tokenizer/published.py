"""Published vocabularies, rebuilt from GPT-2's merges (vocab.bpe): CodeGen2's and CodeGen2.5's.

In CodeGen2 the runs of spaces and tabs are added tokens, which are matched before the text is cut
into pre-tokens. In CodeGen2.5 they are tokens of tiktoken, which are matched within pre-tokens: the
last space before a word belongs to the word, as in GPT-2. The ids of the same program differ.
"""

from collections.abc import Callable, Sequence

from tokenizers import AddedToken, models

from manifests.errors import DataError
from manifests.tokenizer.byte_symbols import byte_symbols, gpt2_order
from manifests.tokenizer.tokenizer import END, EOM, SEP, byte_level, mask_names

LONGEST_SPACES, LONGEST_TABS = 31, 9
"""The runs of spaces and of tabs that CodeGen's tokenizers have as tokens, down to 2."""
DUMMIES = tuple(f"<dummy_{number}>" for number in range(4))
"""Unused tokens, which bring the vocabularies to 51,200."""

CODEGEN2_MASKS = 899
"""The published tokenizer.json of CodeGen2: ids 50301 to 51199."""

CODEGEN25_MASKS = 881
"""CodeGen2.5's tokenization_codegen25.py: ids 50319 to 51199."""
STARCODER = (
    *("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>"),
    *("<issue_start>", "<issue_comment>", "<issue_closed>"),
    *("<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>"),
    *("<empty_output>", "<commit_before>", "<commit_msg>", "<commit_after>", "<reponame>"),
)
"""The tokens of StarCoder that CodeGen2.5 has, in their order: ids 50295 to 50312."""


def gpt2_tokenizer(merges: bytes) -> bytes:
    """Return GPT-2's tokenizer.json, 50,257 ids; see `codegen2_tokenizer`."""
    return _gpt2_with([], merges)


def codegen2_tokenizer(merges: bytes) -> bytes:
    """Return CodeGen2's tokenizer.json, 51,200 ids, made from GPT-2's merges.

    Args:
        merges: the content of GPT-2's vocab.bpe: a line of version, then a merge a line.

    Raises:
        DataError: the merges are not GPT-2's in number or in form.
    """
    control = [*DUMMIES, SEP, EOM, *mask_names(CODEGEN2_MASKS)]
    return _gpt2_with([*_runs(" ", LONGEST_SPACES), *_runs("\t", LONGEST_TABS), *control], merges)


def codegen25_tokenizer(merges: bytes) -> bytes:
    """Return CodeGen2.5's tokenizer.json, 51,200 ids; see `codegen2_tokenizer`.

    The published tokenizer is a program around tiktoken: GPT-2's ranks, then runs of 31 to 2
    spaces and of 9 to 2 tabs as further ranks. tiktoken merges two tokens when together they are
    one, the lowest rank first, so a run grows from the left, one space at a time.
    """
    pairs = _gpt2_pairs(merges)
    for run, longest in (
        (byte_symbols()[0x20], LONGEST_SPACES),
        (byte_symbols()[0x09], LONGEST_TABS),
    ):
        pairs += [(run * (length - 1), run) for length in range(longest, 1, -1)]
    control = [*STARCODER, *DUMMIES, SEP, EOM, *mask_names(CODEGEN25_MASKS)]
    tokens = _gpt2_tokens(pairs[:50_000]) + ["".join(pair) for pair in pairs[50_000:]]
    return _built(pairs, tokens, control)


def _gpt2_with(added: Sequence[str], merges: bytes) -> bytes:
    pairs = _gpt2_pairs(merges)
    return _built(pairs, _gpt2_tokens(pairs), added)


def _built(pairs: list[tuple[str, str]], tokens: list[str], added: Sequence[str]) -> bytes:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = byte_level(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.add_special_tokens([AddedToken(END[0], special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=True) for name in added])
    return str(tokenizer.to_str()).encode()


def _gpt2_pairs(merges: bytes) -> list[tuple[str, str]]:
    lines = merges.decode("utf-8", "replace").split("\n")
    kept = [line for line in lines if line and not line.startswith("#version")]
    pairs = [(left, right) for left, _, right in (line.partition(" ") for line in kept)]
    if len(pairs) != 50_000 or not all(left and right for left, right in pairs):
        raise DataError(f"the merges are not GPT-2's 50,000 pairs: there are {len(pairs)} lines")
    return pairs


def _gpt2_tokens(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return GPT-2's 50,257 tokens in the order of their ids."""
    symbols = byte_symbols()
    return [*(symbols[byte] for byte in gpt2_order()), *map("".join, pairs), END[0]]


def _runs(character: str, longest: int) -> list[str]:
    return [character * length for length in range(longest, 1, -1)]


REBUILT: dict[str, Callable[[bytes], bytes]] = {
    "gpt2": gpt2_tokenizer,
    "codegen2": codegen2_tokenizer,
    "codegen2.5": codegen25_tokenizer,
}
"""Name of a tokenizer that `stackpile tokenizer rebuild` makes -> its function."""
