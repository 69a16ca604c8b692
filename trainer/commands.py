"""`stackpile train`, `sample`, `evaluate`, `export` and `trace`."""

from typing import Annotated

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
    from manifests.console.output import answer
    from trainer.config import load_run_config
    from trainer.train import train as run

    made = load_run_config(config, overrides or ())
    metrics = run(made)
    said = f"{made.output}: {metrics['step']} steps, loss {metrics['loss']:.3f}"
    answer(as_json, {"run": made.output, **metrics}, lambda: said)


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
    from manifests.console.output import answer
    from trainer.run import Run
    from trainer.sample import render, sample_text

    texts = sample_text(
        Run.open(run), prefix, suffix, step,
        tokens=tokens, temperature=temperature, top_p=top_p, seed=seed, samples=samples,
    )  # fmt: skip
    shown = {"prefix": prefix, "suffix": suffix, "samples": texts}
    answer(as_json, shown, lambda: render(prefix, texts, suffix))


def evaluate(
    run: RunPath,
    documents: Annotated[int, typer.Option(min=1, help="The most of each component.")] = 256,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Measure loss and bits per byte on the held-out documents of each component."""
    from manifests.console.output import answer
    from trainer.evaluate import evaluate_run, render
    from trainer.run import Run

    result = evaluate_run(Run.open(run), documents, step)
    answer(as_json, result, lambda: render(run, result))


def export(
    run: RunPath,
    directory: Annotated[str, typer.Argument(metavar="DIR", help="A new directory.")],
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint as a Hugging Face directory."""
    from manifests.console.output import answer
    from trainer.export import export_run
    from trainer.run import Run

    config = export_run(Run.open(run), directory, step)
    said = f'{directory}: AutoModelForCausalLM.from_pretrained("{directory}") loads it'
    answer(as_json, {"directory": directory, "config": config}, lambda: said)


def trace(
    run: RunPath,
    step: Annotated[int, typer.Option(min=1, help="An update, as metrics.jsonl counts them.")],
    row: Annotated[int, typer.Option(min=0, help="A sequence of its global batch.")],
    as_json: AsJson = False,
) -> None:
    """Name the documents behind a sequence that was trained on."""
    from manifests.console.output import answer
    from trainer.run import Run
    from trainer.trace import render
    from trainer.trace import trace as follow

    found = follow(Run.open(run), step, row)
    answer(as_json, found, lambda: render(found))
