"""`stackpile train`, `sample`, `evaluate`, `export` and `trace`."""

from typing import Annotated

import typer

from manifests.console.options import AsJson, answer

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")]
Step = Annotated[int | None, typer.Option(help="Step of the checkpoint; default: the last one.")]


def register(app: typer.Typer) -> None:
    """Add the subcommands of this package."""
    for command in (train, sample, evaluate, export, trace):
        app.command()(command)


def train(
    config: Annotated[str, typer.Argument(metavar="RUN.toml", help="Config of the run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE ...]", help="Replace values of RUN.toml: schedule.steps=100."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model, or continue from the last checkpoint. Use torchrun for several GPUs."""
    from trainer.config import load_run_config
    from trainer.train import train as train_run

    run_config = load_run_config(config, overrides or ())
    metrics = train_run(run_config)
    message = f"{run_config.output}: {metrics['step']} steps, loss {metrics['loss']:.3f}"
    answer(as_json, {"run": run_config.output, **metrics}, lambda: message)


def sample(
    run: RunPath,
    prefix: Annotated[str, typer.Option(help="Text before the generated text.")],
    suffix: Annotated[
        str | None,
        typer.Option(help="Text after the generated text, for a model that learned infilling."),
    ] = None,
    samples: Annotated[int, typer.Option("-n", "--samples", min=1, help="Number of samples.")] = 1,
    tokens: Annotated[int, typer.Option(min=1, help="Maximum number of tokens of a sample.")] = 128,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.2,
    top_p: Annotated[
        float, typer.Option(min=0, max=1, help="Probability mass of the tokens to sample from.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Generate text after a prefix, or between a prefix and a suffix."""
    from trainer.run import Run
    from trainer.sample import Sampling, sample_text, samples_text

    sampling = Sampling(
        tokens=tokens, temperature=temperature, top_p=top_p, seed=seed, samples=samples
    )
    texts = sample_text(Run.open(run), prefix, suffix, sampling, step)
    values = {"prefix": prefix, "suffix": suffix, "samples": texts}
    answer(as_json, values, lambda: samples_text(prefix, texts, suffix))


def evaluate(
    run: RunPath,
    documents: Annotated[
        int, typer.Option(min=1, help="Maximum number of documents of a component.")
    ] = 256,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Measure loss and bits per byte on the held-out documents of each component."""
    from trainer.evaluate import evaluate_run, scores_table
    from trainer.run import Run

    scores = evaluate_run(Run.open(run), documents, step)
    answer(as_json, scores, lambda: scores_table(run, scores))


def export(
    run: RunPath,
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Directory to write; it must not exist.")
    ],
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint as a Hugging Face directory."""
    from trainer.export import export_run
    from trainer.run import Run

    config = export_run(Run.open(run), directory, step)
    message = f'{directory}: AutoModelForCausalLM.from_pretrained("{directory}") loads it'
    answer(as_json, {"directory": directory, "config": config}, lambda: message)


def trace(
    run: RunPath,
    step: Annotated[int, typer.Option(min=1, help="Number of an update, as in metrics.jsonl.")],
    row: Annotated[
        int, typer.Option(min=0, help="Number of a sequence in its global batch, from 0.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show the documents of a sequence that the run trained on."""
    from trainer.run import Run
    from trainer.trace import trace as trace_row
    from trainer.trace import trace_text

    origin = trace_row(Run.open(run), step, row)
    answer(as_json, origin, lambda: trace_text(origin))
