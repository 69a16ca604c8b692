"""`stackpile train`, `sample`, `evaluate`, `export` and `trace`."""

from typing import Annotated, Any

import typer

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="A run's directory.")]
Step = Annotated[int | None, typer.Option(help="Of which checkpoint; the last when not given.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the subcommands of this package."""
    for command in (train, sample, evaluate, export, trace):
        app.command()(command)


def train(
    config: Annotated[str, typer.Argument(metavar="RUN.toml", help="What the run is made of.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]", help="As schedule.steps=100.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model, or go on from the last checkpoint; with many GPUs, under torchrun."""
    from trainer.config import load_run_config
    from trainer.train import train as run

    made = load_run_config(config, overrides or ())
    metrics = run(made)
    if as_json:
        _print_json({"run": made.output, **metrics})
    else:
        print(f"{made.output}: {metrics['step']} steps, loss {metrics['loss']:.3f}")


def sample(
    run: RunPath,
    prefix: Annotated[str, typer.Option(help="Text to go on from.")],
    suffix: Annotated[
        str | None, typer.Option(help="Text after the gap; given, the model fills the gap.")
    ] = None,
    samples: Annotated[int, typer.Option("-n", "--samples", min=1, help="How many.")] = 1,
    tokens: Annotated[int, typer.Option(min=1, help="The most tokens of a sample.")] = 128,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest.")] = 0.2,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Nucleus.")] = 0.95,
    seed: int = 0,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Go on from a prefix, or fill the gap between a prefix and a suffix."""
    from trainer.run import Run
    from trainer.sample import sample_text

    texts = sample_text(
        Run.open(run), prefix, suffix, step,
        tokens=tokens, temperature=temperature, top_p=top_p, seed=seed, samples=samples,
    )  # fmt: skip
    if as_json:
        _print_json({"prefix": prefix, "suffix": suffix, "samples": texts})
        return
    from rich.console import Console
    from rich.text import Text

    for text in texts:
        Console(soft_wrap=True).print(Text(prefix) + Text(text, "bold green") + Text(suffix or ""))


def evaluate(
    run: RunPath,
    documents: Annotated[int, typer.Option(min=1, help="The most of each component.")] = 256,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Measure loss and bits per byte on the held-out documents of each component."""
    from trainer.evaluate import evaluate_run
    from trainer.run import Run

    result = evaluate_run(Run.open(run), documents, step)
    if as_json:
        _print_json(result)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{run}, step {result['step']}, held-out documents")
    for name in ("component", "documents", "tokens", "bytes", "loss", "bits per byte"):
        table.add_column(name, justify="left" if name == "component" else "right")
    for name, row in result["components"].items():
        counts = (f"{row[key]:,}" for key in ("documents", "tokens", "bytes"))
        table.add_row(name, *counts, f"{row['loss']:.3f}", f"{row['bits_per_byte']:.3f}")
    Console().print(table)


def export(
    run: RunPath,
    directory: Annotated[str, typer.Argument(metavar="DIR", help="A new directory.")],
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint as a Hugging Face directory."""
    from trainer.export import export_run
    from trainer.run import Run

    config = export_run(Run.open(run), directory, step)
    if as_json:
        _print_json({"directory": directory, "config": config})
    else:
        print(f'{directory}: AutoModelForCausalLM.from_pretrained("{directory}") loads it')


def trace(
    run: RunPath,
    step: Annotated[int, typer.Option(min=1, help="An update, as metrics.jsonl counts them.")],
    row: Annotated[int, typer.Option(min=0, help="A sequence of its global batch.")],
    as_json: AsJson = False,
) -> None:
    """Name the documents behind a sequence that was trained on."""
    from trainer.run import Run
    from trainer.trace import trace as follow

    found = follow(Run.open(run), step, row)
    if as_json:
        _print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    about = "{component}, epoch {epoch}, {objective}, position {position}".format(**found)
    table = Table(title=f"step {step}, row {row}: {about}")
    for name in ("document", "tokens", "path", "repositories", "license"):
        table.add_column(name)
    for document in found["documents"]:
        origin, start = document["row"], document["start"]
        tokens = f"{start} to {start + document['tokens'] - 1}"
        repositories = ", ".join(origin["repositories"])
        table.add_row(origin["id"], tokens, origin["path"], repositories, origin["license"] or "")
    Console().print(table)


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value))
