"""A small tokenizer of each kind that the kernel knows."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer

from manifests.tokenizer.tokenizer import load_text_tokenizer, train_tokenizer

TEXTS = [
    "def f(x):\n    if x:\n\t\treturn  {'a': 1.5e-10}  # it's\r\n\n\n" * 3,
    "for i in range(100, 2000):\n\tprint(f'{i:04d}', i*i)  # we'll see\n" * 3,
    "\u00e9t\u00e9 \u6f22\u5b57 \u0661\u0662 \U0001f600 caf\u00e9 \u2014 it\u2019s   done\n" * 3,
    "aaaa aaab aabb abab abcabc ==== ---- ____ 0000 12345 \x00\x00 \x1b[0m\n" * 3,
]

Edit = Callable[[dict[str, Any]], None]


def trained(edit: Edit | None = None) -> bytes:
    """A small tokenizer.json, edited."""
    parsed = json.loads(train_tokenizer(TEXTS, 420, 4))
    if edit:
        edit(parsed)
    return json.dumps(parsed).encode()


def with_runs(parsed: dict[str, Any]) -> None:
    """Adds runs of spaces and tabs as tokens, as CodeGen2's has them."""
    runs = [" " * n for n in range(9, 1, -1)] + ["\t" * n for n in range(4, 1, -1)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "special": False}
    parsed["added_tokens"] += [
        {"id": 420 + i, "content": run, "normalized": True, **flags} for i, run in enumerate(runs)
    ]


def with_digits_alone(parsed: dict[str, Any]) -> None:
    """Splits digits off first, as StarCoder's does."""
    digits = {"type": "Digits", "individual_digits": True}
    steps = [digits, parsed["pre_tokenizer"]]
    parsed["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}


SMALL: dict[str, Edit | None] = {
    "gpt-2": None,
    "codegen2": with_runs,
    "starcoder": with_digits_alone,
}


@pytest.fixture(scope="session", params=SMALL)
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    """A tokenizer without control tokens, of each kind in turn."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_bytes(trained(SMALL[request.param]))
    return load_text_tokenizer(str(path))
