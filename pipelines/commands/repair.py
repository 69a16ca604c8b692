"""The subcommand that writes lost or wrong files of a dataset again."""

from manifests.console.options import AsJson, Directory, answer


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


COMMANDS = (repair,)
