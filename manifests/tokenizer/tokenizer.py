"""Tokenizers: a Hugging Face tokenizer.json, with and without its control tokens.

Control tokens are the added tokens that are not pure whitespace: in CodeGen2's file the flags do
not tell them from the runs of spaces and tabs. A corpus is encoded without them, so that a file
that contains the text `<sep>` or `<mask_1>` never turns into one; objectives add the ids.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from manifests.errors import DataError, UsageError
from manifests.io import files
from manifests.lineage.manifest import TokenizerRecord
from manifests.special_tokens import SpecialTokens

END = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")
"""Names of the end token in GPT-2, Llama and Gemma; the first one that a file has is taken."""
SEP, EOM = "<sep>", "<eom>"
FIM = {f"fim_{part}": f"<fim_{part}>" for part in ("prefix", "suffix", "middle")}
"""Fields of SpecialTokens and the names of their tokens in StarCoder and CodeGen2.5."""
MASK = re.compile(r"<mask_([1-9][0-9]*)>")
DUMMY = re.compile(r"<dummy_([0-9]+)>")
"""Tokens of CodeGen2's vocabulary that nothing uses; task tokens take them."""


def load_tokenizer(path: str) -> Tokenizer:
    """Return a tokenizer with its control tokens, for decoding. A corpus is encoded without them.

    Raises:
        DataError: the file is missing or is no tokenizer.json.
    """
    return _build(path, _parse(path, files.read_bytes(path)))


def load_text_tokenizer(path: str, control: Sequence[str] | None = None) -> Tokenizer:
    """Return a tokenizer without control tokens, for encoding corpora and prompts.

    Args:
        path: of a tokenizer.json.
        control: the control tokens; by default every added token that is not pure whitespace.

    Raises:
        UsageError: a control token that the file does not have.
        DataError: the file is missing, is no tokenizer.json, or cannot do without the tokens.
    """
    parsed = _parse(path, files.read_bytes(path))
    names = control_tokens(path, parsed, control)
    ids = {token["id"] for token in parsed["added_tokens"] if token["content"] in names}
    kept = [token for token in parsed["added_tokens"] if token["content"] not in names]
    model = {**parsed["model"], "vocab": _text_vocabulary(parsed["model"], names, kept)}
    stripped = {**parsed, "added_tokens": kept, "model": model}
    tokenizer = _build(path, {**stripped, "truncation": None, "padding": None})
    for name, tokens in zip(names, encode_documents(tokenizer, names), strict=True):
        if not ids.isdisjoint(tokens.tolist()):
            raise DataError(f"{path}: the text {name!r} cannot be kept from being a control token")
    for token in kept:
        if tokenizer.token_to_id(token["content"]) != token["id"]:
            raise DataError(f"{path}: {token['content']!r} has another id without control tokens")
    return tokenizer


def _text_vocabulary(
    model: dict[str, Any], names: Sequence[str], kept: Sequence[dict[str, Any]]
) -> Any:
    """Return a model's vocabulary without control tokens; a list (Unigram) is not changed.

    The vocabulary names the kept tokens, because the library gives an added token that is not in
    the vocabulary a new id.
    """
    vocabulary = model["vocab"]
    if not isinstance(vocabulary, dict):
        return vocabulary
    gone = set(names) - {model.get("unk_token")}
    text = {token: number for token, number in vocabulary.items() if token not in gone}
    return {**text, **{token["content"]: token["id"] for token in kept}}


def control_tokens(
    path: str, parsed: dict[str, Any], control: Sequence[str] | None = None
) -> list[str]:
    """Return the names of a parsed tokenizer.json's control tokens; see `load_text_tokenizer`."""
    added = [token["content"] for token in parsed["added_tokens"]]
    if control is None:
        return [name for name in added if name.strip()]
    unknown = [name for name in control if name not in added]
    if unknown:
        raise UsageError(f"{path}: has no added token {unknown[0]!r}")
    return list(control)


def token_ids(path: str) -> dict[str, int]:
    """Return the control tokens of a tokenizer.json and their ids; raises as `load_tokenizer`."""
    parsed = _parse(path, files.read_bytes(path))
    names = set(control_tokens(path, parsed))
    return {t["content"]: t["id"] for t in parsed["added_tokens"] if t["content"] in names}


def dummy_ids(path: str) -> list[int]:
    """Return the ids of a tokenizer.json's <dummy_0>, <dummy_1> ...; raises as `load_tokenizer`."""
    ids = {int(m[1]): i for name, i in token_ids(path).items() if (m := DUMMY.fullmatch(name))}
    return [ids[number] for number in sorted(ids)]


def encode_documents(tokenizer: Tokenizer, texts: Sequence[str]) -> list[npt.NDArray[np.uint32]]:
    """Return the ids of each text, uint32 [n]; no token is added at either end."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [np.array(encoding.ids, dtype=np.uint32) for encoding in encodings]


def decode(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """Return the text of ids; a control token is shown as its name."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=False))


def control_of(path: str, end: str | None = None) -> SpecialTokens:
    """Return the special tokens of a tokenizer.json; sep, eom and masks only if the file has them.

    Args:
        path: of a tokenizer.json.
        end: the end token's name; by default the first of END that the file has.

    Raises:
        UsageError: the file has no end token (of that name).
        DataError: the ids of the mask tokens are not at equal distances.
    """
    return _control(path, _parse(path, files.read_bytes(path)), end)


def describe_tokenizer(path: str, end: str | None = None) -> TokenizerRecord:
    """Return the manifest's record of the tokenizer.json at `path`; raises as `control_of` does.

    Tokens are uint16 on disk if every id, special tokens included, is below 65,536, else uint32.
    """
    data = files.read_bytes(path)
    control = _control(path, _parse(path, data), end)
    return TokenizerRecord(
        sha256=hashlib.sha256(data).hexdigest(),
        vocabulary=control.vocabulary,
        dtype="uint16" if control.vocabulary <= 1 << 16 else "uint32",
        control=control,
    )


def _control(path: str, parsed: dict[str, Any], end: str | None) -> SpecialTokens:
    ids = {token["content"]: token["id"] for token in parsed["added_tokens"]}
    ends = [name for name in ([end] if end else END) if name in ids]
    if not ends:
        wanted = repr(end) if end else f"any of {', '.join(END)}"
        raise UsageError(f"{path}: has no end token: {wanted} is not among its added tokens")
    mask_id = {int(match[1]): ids[name] for name in ids if (match := MASK.fullmatch(name))}
    masks = [mask_id[number] for number in range(1, len(mask_id) + 1) if number in mask_id]
    steps = set(np.diff(masks).tolist())
    if len(masks) != len(mask_id) or len(steps) > 1:
        raise DataError(f"{path}: <mask_1> to <mask_{max(mask_id)}> are not ids at equal distances")
    vocabulary = parsed["model"]["vocab"]
    known = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    return SpecialTokens(
        end=ids[ends[0]],
        sep=ids.get(SEP),
        eom=ids.get(EOM),
        mask_1=masks[0] if masks else None,
        mask_step=steps.pop() if steps else -1,
        masks=len(masks),
        **{field: ids.get(name) for field, name in FIM.items()},
        vocabulary=1 + max([*known, *ids.values()]),
    )


def train_tokenizer(
    texts: Iterable[str], vocabulary: int, masks: int, others: Sequence[str] = ()
) -> bytes:
    """Return the tokenizer.json of a byte-level BPE trained on texts; equal texts give equal bytes.

    Args:
        texts: texts to train on, read once.
        vocabulary: number of ids; there are fewer if the texts have fewer merges.
        masks: number of mask tokens among the ids. The last ids are, as in CodeGen2,
            <|endoftext|> <sep> <eom> <mask_N> .. <mask_1>.
        others: further control tokens, whose ids follow <|endoftext|>.

    Raises:
        UsageError: the vocabulary has no room for 256 bytes and the control tokens.
    """
    control = [END[0], *others, SEP, EOM, *mask_names(masks)]
    if vocabulary < 256 + len(control):
        raise UsageError(f"a vocabulary of {vocabulary} has no room for bytes and {masks} masks")
    tokenizer = byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(control),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(name, special=True, normalized=False) for name in control])
    return str(tokenizer.to_str()).encode()


def mask_names(count: int) -> list[str]:
    """Return the names of mask tokens in the order of CodeGen2's ids: the highest first."""
    return [f"<mask_{number}>" for number in range(count, 0, -1)]


def byte_level(model: Any) -> Tokenizer:
    """Return a tokenizer of bytes with GPT-2's pre-tokenizer and a model."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _parse(path: str, data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not {"model", "added_tokens"} <= parsed.keys():
        raise DataError(f"{path}: is not a tokenizer.json of Hugging Face")
    return parsed


def _build(path: str, parsed: dict[str, Any]) -> Tokenizer:
    try:
        return Tokenizer.from_str(json.dumps(parsed))
    except Exception as error:  # the library raises nothing narrower
        raise DataError(f"{path}: is not a tokenizer that can be loaded: {error}") from None
