"""`stackpile train`, `sample`, `evaluate`, `export`, `import`, `trace` and `recipes`."""

from typing import Annotated, Literal

import typer

from manifests.console.options import AsJson, answer

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")]
ModelPath = Annotated[
    str, typer.Argument(metavar="MODEL", help="Directory of a run, an export, or an import.")
]
NewDirectory = Annotated[
    str, typer.Argument(metavar="DIR", help="Directory to write; it must not exist.")
]
Step = Annotated[int | None, typer.Option(help="Step of the checkpoint; default: the last one.")]
Start = Annotated[
    int | None,
    typer.Option(
        "--from",
        metavar="STEP",
        help="Continue from the checkpoint of this step, and rename later ones. Use it once.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the subcommands of this package."""
    for command in (train, sample, evaluate, export):
        app.command()(command)
    app.command("import")(import_)
    app.command()(trace)
    app.command()(recipes)


def train(
    config: Annotated[str, typer.Argument(metavar="RUN.toml", help="Config of the run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE ...]", help="Replace values of RUN.toml: schedule.steps=100."
        ),
    ] = None,
    start: Start = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show size, memory, epochs and time, and do not train.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, help="With --plan: number of processes.")] = 1,
    mfu: Annotated[
        float, typer.Option(min=0.001, max=1, help="With --plan: share of the peak of a GPU.")
    ] = 0.4,
    tflops: Annotated[
        float, typer.Option(min=0.001, help="With --plan: peak of a GPU; default: H100, bf16.")
    ] = 989.4,
    as_json: AsJson = False,
) -> None:
    """Train a model, or continue from the newest whole checkpoint. torchrun starts several GPUs."""
    from rich.console import Group

    from manifests.console.output import unwrapped
    from trainer.config import load_run_config
    from trainer.estimate import estimate, estimate_table
    from trainer.interop.record import read_record
    from trainer.interop.training_data import data_tables
    from trainer.reporting.display import loss_text
    from trainer.train import train as train_run

    run_config = load_run_config(config, overrides or ())
    if plan:
        needed = estimate(run_config, processes, mfu, tflops)
        answer(as_json, needed, lambda: estimate_table(run_config, needed))
        return
    metrics = train_run(run_config, start)
    message = f"{run_config.output}: {metrics['step']} steps, loss {loss_text(metrics)}"
    record = read_record(run_config.output)
    shown = Group(unwrapped(message), *(data_tables(record) if record else ()))
    answer(as_json, {"run": run_config.output, **metrics}, lambda: shown)


def sample(
    model: ModelPath,
    prefix: Annotated[str | None, typer.Option(help="Text before the generated text.")] = None,
    suffix: Annotated[
        str | None,
        typer.Option(help="Text after the generated text, for a model that learned infilling."),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="JSON lines with prefix and suffix, instead of --prefix."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("-n", "--samples", min=1, help="Number of samples of each prompt.")
    ] = 1,
    tokens: Annotated[int, typer.Option(min=1, help="Maximum number of tokens of a sample.")] = 128,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.2,
    top_p: Annotated[
        float, typer.Option(min=0, max=1, help="Probability mass of the tokens to sample from.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0,
    rows: Annotated[
        int, typer.Option(min=1, help="Maximum number of samples that are decoded at once.")
    ] = 32,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Generate text after a prefix, or between a prefix and a suffix."""
    from rich.console import Console
    from rich.progress import Progress

    from manifests.errors import UsageError
    from trainer.sampling.generate import Sampling
    from trainer.sampling.language_model import LanguageModel
    from trainer.sampling.text import (
        Prompt,
        answer_values,
        read_prompts,
        sample_texts,
        samples_text,
    )

    if (prefix is None) == (prompts is None) or (prompts and suffix is not None):
        raise UsageError("sample: give --prefix, with or without --suffix, or --prompts")
    given = read_prompts(prompts) if prompts else [Prompt(prefix or "", suffix)]
    sampling = Sampling(
        tokens=tokens, temperature=temperature, top_p=top_p, seed=seed, samples=samples, rows=rows
    )
    opened, console = LanguageModel.open(model, step), Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("sample", total=len(given) * samples)
        made = sample_texts(opened, given, sampling, lambda done: bar.update(task, completed=done))
    values = answer_values(given, made)
    answer(
        as_json,
        {"prompts": values} if prompts else values[0],
        lambda: samples_text(given, made),
    )


def evaluate(
    model: ModelPath,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="TASK,...",
            help="heldout, humaneval, infill-single, infill-multi, infill-random, "
            "infill-random-light, mbpp, mbpp-sanitized, mtpb, lambada, piqa, xsum. Default: the "
            "loss on the held-out documents of each component.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory of the benchmarks' files.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Directory of samples and results; a restart goes on."),
    ] = None,
    samples: Annotated[
        int, typer.Option("-n", "--samples", min=1, help="Number of samples of each problem.")
    ] = 1,
    k: Annotated[
        list[int] | None,
        typer.Option(min=1, help="k of pass@k; may be given several times. Default: 1."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, help="Default: the paper's: 0.2, 0.6, 0.8 for k = 1, 10, 100."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use only the first rows of each benchmark.")
    ] = None,
    long_prompts: Annotated[
        Literal["refuse", "fail"],
        typer.Option(help="Prompts longer than the context end the command, or count as failed."),
    ] = "refuse",
    rows: Annotated[
        int, typer.Option(min=1, help="Maximum number of samples that are decoded at once.")
    ] = 32,
    allow_execution: Annotated[
        bool, typer.Option("--allow-execution", help="Execute programs of the model, in a sandbox.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Programs at once; default: one a core.")
    ] = None,
    documents: Annotated[
        int, typer.Option(min=1, help="Maximum number of held-out documents of a component.")
    ] = 256,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on benchmarks, or its loss on held-out documents."""
    from manifests.errors import UsageError

    if tasks is None:
        from trainer.evaluate import evaluate_run, scores_table
        from trainer.run import Run

        if out is not None or data is not None:
            raise UsageError("--out and --data: need --tasks")
        scores = evaluate_run(Run.open(model), documents, step)
        answer(as_json, scores, lambda: scores_table(model, scores))
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from trainer.evaluation.evaluation import Request, evaluate_tasks
    from trainer.evaluation.paper import results_text
    from trainer.evaluation.settings import Settings

    if out is None:
        raise UsageError("--out: name the directory of samples and results")
    settings = Settings(samples, tuple(k or [1]), temperature, seed, limit, documents, long_prompts)
    names = [name.strip() for name in tasks.split(",")]
    request = Request(model, names, data, out, settings, step, rows, workers, allow_execution)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        steps: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in steps:
                steps[name] = bar.add_task(name, total=total)
            bar.update(steps[name], completed=done)

        results = evaluate_tasks(request, show)
    answer(as_json, results, lambda: results_text(results))


def export(
    run: RunPath,
    directory: NewDirectory,
    step: Step = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"],
        typer.Option(help="Type of the weights in the files."),
    ] = "float32",
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint as a Hugging Face directory."""
    from trainer.interop.export import export_run
    from trainer.run import Run

    config = export_run(Run.open(run), directory, step, dtype)
    message = f'{directory}: AutoModelForCausalLM.from_pretrained("{directory}") loads it'
    answer(as_json, {"directory": directory, "config": config}, lambda: message)


def import_(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Hugging Face directory with safetensors.")
    ],
    directory: NewDirectory,
    mp_num: Annotated[
        int | None,
        typer.Option(help="Chunks of CodeGen's fused projections, 4 or 8; default: as published."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A tokenizer.json, for a directory without one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a published CodeGen, CodeGen2 or Llama directory, and write it as `export` does."""
    from trainer.interop.import_folder import import_folder

    config = import_folder(source, directory, mp_num, tokenizer)
    message = f"{directory}: `stackpile sample {directory} --prefix TEXT` samples from it"
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


def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe; all are listed without.")] = None,
    *,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="The config to write.")
    ] = "RUN.toml",
    as_json: AsJson = False,
) -> None:
    """List the training runs of published models with their sources, or write one as a RUN.toml."""
    from trainer.recipes import RECIPES

    RECIPES.list_or_write(name, out, as_json, "set its `mixture` and `output`")
