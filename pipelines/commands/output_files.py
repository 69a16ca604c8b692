"""The subcommands `clean` and `repair`, which act on the files of an output."""

from typing import Annotated

import typer

from manifests.console.options import AsJson, Directory, answer


def clean(
    directory: Directory,
    *,
    documents: Annotated[
        bool, typer.Option("--documents", help="Remove documents/ too, if there are shards.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove the files; without it, they are only listed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the files of an output that nothing needs any more; with --yes, remove them."""
    from manifests.verify import cleanup

    plan = cleanup.plan_cleanup(directory, documents)
    if yes:
        cleanup.remove(plan)
    values = {**plan.plain(), "removed": yes}
    answer(as_json, values, lambda: cleanup.render_cleanup(plan, removed=yes))


def repair(directory: Directory, as_json: AsJson = False) -> None:
    """Rebuild the block table, the shard indexes and Energon's files from the shards."""
    from manifests.console.formatting import plural
    from manifests.lineage.chain import load_chain
    from manifests.verify.repair import repair as rebuild

    dataset = load_chain(directory).last.directory
    written = rebuild(dataset)
    lines = [f"{dataset}/{path}: rebuilt" for path in written]
    lines.append(f"{plural(len(written), 'file')} rebuilt; `stackpile verify` checks all files")
    answer(as_json, {"directory": dataset, "rebuilt": written}, lambda: "\n".join(lines))


COMMANDS = (clean, repair)
