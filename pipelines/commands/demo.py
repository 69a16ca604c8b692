"""The subcommand `demo`: every stage from raw files to a trained model, on a corpus made here."""

import json
import shlex
import shutil
import sys
import time
from statistics import mean
from typing import Annotated

import typer

RUN = """\
# A model that learns something in some minutes on two cores.
output = "run"
mixture = "MIX.toml"

[data]
sequence_length = 256

[model]
name = "codegen2"
size = "demo"

[batch]
sequences = 8
micro_batch = 8

[optimizer]
learning_rate = 4e-3

[schedule]
steps = 400
warmup = 20

[checkpoint]
every = 100
"""

PREFIX = '''def average(values):
    """Return the '''
SUFFIX = ''' of the values."""
    return sum(values) / len(values)
'''

NEXT = """\
{directory}/out          documents, decisions, token shards and their manifests
{directory}/MIX.toml     the mixture; other ratios need no other shards
{directory}/run          a model after {steps} updates: loss {first:.2f} at first, {last:.2f} now
{directory}/report.html  the funnel, lengths, duplicates and samples, for a browser

{command} preview {directory}/MIX.toml            training sequences as text, spans in color
{command} show {directory}/out ID                 a document, and why it was kept or rejected
{command} verify {directory}/out                  every checksum, size and count
{command} trace {directory}/run --step 1 --row 0  the files behind a training sequence
{command} evaluate {directory}/run                bits per byte on held-out documents
Your own code: write a CORPUS.toml as {directory}/CORPUS.toml, then {command} prepare CORPUS.toml"""


def demo(
    ctx: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="[DIR]", help="Output directory.")] = "demo",
) -> None:
    """Run every stage on installed Python packages, without a download: minutes on two cores."""
    from rich.console import Console

    from manifests.io import files
    from pipelines.demo.corpus import write_corpus

    console = Console(highlight=False, soft_wrap=True)
    console.rule("[bold]gather: the Python packages installed here", align="left")
    for source, counts in write_corpus(directory).items():
        size = f"{counts['documents']:,} documents, {counts['bytes'] / 1e6:.1f} MB"
        console.print(f"{directory}/data/{source}: {size}")
    if not files.exists(f"{directory}/RUN.toml"):
        files.write_bytes(f"{directory}/RUN.toml", RUN.encode())
    root = ctx.find_root()
    debug = ["--debug"] if root.params["debug"] else []
    for title, arguments in _stages(directory):
        console.rule(f"[bold]{title}", align="left")
        console.print(f"$ stackpile {shlex.join(arguments)}", style="dim", markup=False)
        start = time.monotonic()
        # Without standalone mode the exit code of a command is returned.
        if code := root.command.main([*debug, *arguments], standalone_mode=False):
            raise typer.Exit(code)
        console.print(f"{time.monotonic() - start:.1f} s", style="dim")
    console.rule("[bold]what was made, and what to type next", align="left")
    console.print(_next_steps(directory), markup=False)


def _stages(directory: str) -> list[tuple[str, list[str]]]:
    """Return the title and the command line of each stage."""
    corpus, mix, run, out, model, report = (
        f"{directory}/{name}"
        for name in ("CORPUS.toml", "MIX.toml", "RUN.toml", "out", "run", "report.html")
    )
    half = ["--weight", "the-stack+starcoderdata=0.5", "--weight", "the-pile=0.5"]
    gap = ["--prefix", PREFIX, "--suffix", SUFFIX, "--tokens", "16", "--temperature", "0.5"]
    return [
        ("prepare: filter, deduplicate and tokenize", ["prepare", corpus]),
        ("inspect: what came in, what was rejected, what was kept", ["inspect", out]),
        ("mix: half code, half English", ["mix", out, *half, "--out", mix]),
        ("train: a small CodeGen2, on spans to fill and text to continue", ["train", run]),
        ("sample: the model fills a gap", ["sample", model, *gap]),
        ("report: all of it on one page", ["report", out, "--out", report]),
    ]


def _next_steps(directory: str) -> str:
    """Return what was made, with the losses of the run, and commands to go on with."""
    from manifests.io import files

    lines = files.read_bytes(f"{directory}/run/metrics.jsonl").decode().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    return NEXT.format(
        directory=directory,
        command="stackpile" if shutil.which("stackpile") else sys.argv[0],
        steps=len(losses),
        first=losses[0],
        last=mean(losses[-10:]),
    )


COMMANDS = (demo,)
