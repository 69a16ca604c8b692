"""The subcommand that shows training sequences: preview."""

from typing import Annotated, Literal

import typer

from manifests.console.options import AsJson, answer


def register(app: typer.Typer) -> None:
    """Add the subcommands of this package."""
    app.command()(preview)


def preview(
    source: Annotated[
        str,
        typer.Argument(metavar="MIX.toml|plan.json", help="A mixture, or the plan of a run."),
    ],
    objective: Annotated[
        str, typer.Option(help="For a mixture: codegen2 (half clm, half span_corruption), fim ...")
    ] = "codegen2",
    attention: Annotated[
        Literal["causal", "prefix"],
        typer.Option(help="For a mixture: prefix gives sequences the prefix of a Prefix-LM."),
    ] = "causal",
    count: Annotated[int, typer.Option("-n", "--number", min=1, help="How many sequences.")] = 4,
    length: Annotated[int, typer.Option(min=16, help="For a mixture: tokens of a sequence.")] = 512,
    as_json: AsJson = False,
) -> None:
    """Show training sequences as text: documents, spans, control tokens, and their origin."""
    from manifests.mixture.config import load_mixture
    from objectives.preview import describe_units, preview_sequences, render_sequences
    from objectives.stream.plan import load_plan, make_plan
    from objectives.stream.stream import Stream

    if source.endswith(".json"):
        plan = load_plan(source)
    else:
        plan = make_plan(
            load_mixture(source),
            objective,
            batch=count,
            sequence_length=length,
            attention=attention,
        )
    units, sequences = describe_units(plan), preview_sequences(Stream.open(plan), count)
    answer(
        as_json,
        {"plan": plan.digest, "units": units, "sequences": sequences},
        lambda: render_sequences(units, sequences),
    )
