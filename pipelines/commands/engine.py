"""The options by which a subcommand chooses the engine of its jobs."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.runtime.quiet import quiet

if TYPE_CHECKING:
    from pipelines.runtime.runners import Runner

Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Machines, or executors, of the runner.")
]
Cores = Annotated[
    int | None,
    typer.Option("--cores", min=1, help="Cores of each. Default: local, all of this machine."),
]
Image = Annotated[
    str | None, typer.Option("--image", help="Container image of workers that has Stackpile.")
]


def open_engine(
    runner: str | None,
    beam_options: list[str] | None,
    workers: int | None,
    cores: int | None,
    image: str | None,
) -> "Runner":
    """Return the engine of a command line; say on stderr what was set for a cluster."""
    with quiet():
        from pipelines.runtime.cluster import Cluster
        from pipelines.runtime.runners import open_runner
    engine = open_runner(runner, beam_options or (), Cluster(workers, cores, image))
    if engine.notice:
        typer.echo(engine.notice, err=True)
    return engine
