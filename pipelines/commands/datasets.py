"""The subcommands `forget`, `compact` and `materialize`, which act on a finished dataset."""

from typing import Annotated

import typer

from manifests.console.options import AsJson, BeamOptions, RunnerName, answer
from pipelines.commands.engine import Cores, Image, Workers, open_engine
from pipelines.runtime.quiet import quiet

Dataset = Annotated[
    str, typer.Argument(metavar="DIR", help="An output (out/), or the directory of one tokenizer.")
]


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
    """Forget documents: readers exclude them from now on, a training run from its next stage on."""
    from manifests.lineage.chain import load_chain
    from pipelines.maintain import forget as forgetting

    request = forgetting.ForgetRequest.of(repos or (), owners or (), ids or (), licenses or ())
    result = forgetting.forget(load_chain(directory).last.directory, request)
    answer(as_json, result, lambda: forgetting.forgotten_text(result))


def compact(
    directory: Dataset,
    beam_options: BeamOptions = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Default: DIR-compact.")
    ] = None,
    runner: RunnerName = None,
    workers: Workers = None,
    cores: Cores = None,
    image: Image = None,
    as_json: AsJson = False,
) -> None:
    """Write a new dataset without forgotten documents; only shards that hold some are rewritten."""
    from manifests.lineage.chain import load_chain

    with quiet():
        from pipelines.maintain import compact as compacting
    dataset = load_chain(directory).last.directory
    engine = open_engine(runner, beam_options, workers, cores, image)
    result = compacting.compact(dataset, out or f"{dataset.rstrip('/')}-compact", engine)
    answer(as_json, result, lambda: compacting.compacted_text(result))


def materialize(
    mixture: Annotated[str, typer.Argument(metavar="MIX.toml", help="The mixture.")],
    beam_options: BeamOptions = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Default: MIX, without .toml.")
    ] = None,
    runner: RunnerName = None,
    workers: Workers = None,
    cores: Cores = None,
    image: Image = None,
    as_json: AsJson = False,
) -> None:
    """Write a mixture as plain shuffled WebDataset shards, for other trainers."""
    with quiet():
        from pipelines.maintain import materialize as materializing
    place = out or mixture.removesuffix(".toml")
    engine = open_engine(runner, beam_options, workers, cores, image)
    result = materializing.materialize(mixture, place, engine)
    values = {"out": place, **result}
    answer(as_json, values, lambda: materializing.materialized_text(result, place))


COMMANDS = (forget, compact, materialize)
