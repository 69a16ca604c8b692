"""`stackpile tokenizer train` and `rebuild`: a tokenizer.json of your own, or a published one."""

from typing import Annotated, Any

import typer

from manifests.console.options import AsJson, CorpusFile, HelpGroup, answer
from manifests.errors import UsageError
from manifests.special_tokens import MASKS

Prepared = Annotated[
    str | None,
    typer.Option(
        "--prepared", metavar="DIR", help="Output of the corpus. Default: that of CORPUS.toml."
    ),
]
Written = Annotated[str, typer.Option("--out", metavar="FILE", help="The tokenizer to write.")]

FILE = "tokenizer.json"

app = typer.Typer(
    cls=HelpGroup, no_args_is_help=True, help="Train a tokenizer, or rebuild a published one."
)


@app.command()
def train(
    corpus: CorpusFile,
    *,
    vocabulary: Annotated[int, typer.Option(min=512, help="Ids, control tokens included.")] = 32000,
    masks: Annotated[int, typer.Option(min=1, max=899, help="Mask tokens among them.")] = MASKS,
    prepared: Prepared = None,
    out: Written = FILE,
    as_json: AsJson = False,
) -> None:
    """Train a byte-level BPE on the documents that dedup keeps, except heldout ones."""
    from manifests.tokenizer.tokenizer import train_tokenizer
    from pipelines.preparation import load_preparation
    from pipelines.tokenize.job import find_kept_documents, redacted_sources
    from pipelines.tokenize.tokenizer import OBJECTIVE_TOKENS, sample_texts

    preparation = load_preparation(corpus, prepared)
    texts = sample_texts(find_kept_documents(preparation), redacted_sources(preparation))
    _write(out, train_tokenizer(texts, vocabulary, masks, OBJECTIVE_TOKENS), as_json)


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(help="gpt2, codegen2 or codegen2.5.")],
    merges: Annotated[str, typer.Argument(metavar="VOCAB.bpe", help="GPT-2's merges.")],
    *,
    out: Written = FILE,
    as_json: AsJson = False,
) -> None:
    """Rebuild a published tokenizer, with its published ids, from GPT-2's merges."""
    from manifests.io import files
    from manifests.tokenizer.published import REBUILT

    if name not in REBUILT:
        raise UsageError(f"{name!r} is none of {', '.join(REBUILT)}")
    if not files.exists(merges):
        raise UsageError(f"{merges}: there is no such file")
    _write(out, REBUILT[name](files.read_bytes(merges)), as_json)


def _write(out: str, content: bytes, as_json: bool) -> None:
    from manifests.io import files
    from manifests.tokenizer.tokenizer import describe_tokenizer

    files.write_bytes(out, content)
    record = describe_tokenizer(out)
    values: dict[str, Any] = {"out": out, **record.model_dump(mode="json")}
    masks = f"{record.control.masks} masks among them"
    answer(as_json, values, lambda: f"{out}: written; {record.vocabulary:,} ids, {masks}")
