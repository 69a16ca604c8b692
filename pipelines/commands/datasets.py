"""`stackpile forget`, `compact` and `materialize`: what is done to a dataset that is finished."""

from typing import Annotated

import typer

from manifests.console.options import AsJson, BeamOptions, RunnerName

Dataset = Annotated[
    str, typer.Argument(metavar="DIR", help="An output (out/), or the directory of its tokens.")
]


def register(app: typer.Typer) -> None:
    """Add the subcommands."""
    for command in (forget, compact, materialize):
        app.command()(command)


def forget(
    directory: Dataset,
    *,
    repos: Annotated[
        list[str] | None,
        typer.Option("--repos", metavar="FILE", help="A list as [opt_out] takes it; repeatable."),
    ] = None,
    owners: Annotated[
        list[str] | None, typer.Option("--owners", metavar="NAME", help="An owner; repeatable.")
    ] = None,
    licenses: Annotated[
        list[str] | None,
        typer.Option("--licenses", metavar="SPDX", help="A license's id; repeatable."),
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option("--ids", metavar="ID", help="A document; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forget documents: every reader leaves them out from now on, runs from their next stage on."""
    from manifests.console.output import answer
    from manifests.lineage.chain import load_chain
    from pipelines.maintain import forget as forgetting

    asked = forgetting.Asked.of(repos or (), owners or (), ids or (), licenses or ())
    told = forgetting.forget(load_chain(directory).last.directory, asked)
    answer(as_json, told, lambda: forgetting.render(told))


def compact(
    directory: Dataset,
    beam_options: BeamOptions = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="DIR-compact when not given.")
    ] = None,
    runner: RunnerName = None,
    as_json: AsJson = False,
) -> None:
    """Write a new dataset without what is forgotten; only the shards that it touches are new."""
    from manifests.console.output import answer
    from manifests.lineage.chain import load_chain
    from pipelines.maintain import compact as compacting
    from pipelines.runtime.runners import Runner

    found = load_chain(directory).last.directory
    engine = Runner(runner, tuple(beam_options or ()))
    told = compacting.compact(found, out or f"{found.rstrip('/')}-compact", engine)
    answer(as_json, told, lambda: compacting.render(told))


def materialize(
    mixture: Annotated[str, typer.Argument(metavar="MIX.toml", help="What is written out.")],
    beam_options: BeamOptions = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Named like the file if not given.")
    ] = None,
    runner: RunnerName = None,
    as_json: AsJson = False,
) -> None:
    """Write a mixture out as plain shuffled WebDataset shards, to train with something else."""
    from manifests.console.output import answer
    from pipelines.maintain import materialize as materializing
    from pipelines.runtime.runners import Runner

    place = out or mixture.removesuffix(".toml")
    engine = Runner(runner, tuple(beam_options or ()))
    told = materializing.materialize(mixture, place, engine)
    answer(as_json, {"out": place, **told}, lambda: materializing.render(told, place))
