"""The differences of two outputs: config, funnel, tokens and shards."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from manifests.console import formatting
from manifests.console.output import PrintableTable, unwrapped
from manifests.dataset.shard_index import read_shard_table
from manifests.lineage.chain import Chain, flows

MAX_ROWS = 60
"""Maximum number of changes in a table; --json has all changes."""

Change = list[Any]
"""[before, after]; None where a value is missing."""


def diff(before: Chain, after: Chain) -> dict[str, Any]:
    """Return the differences, as plain values for JSON: dotted name -> [before, after]."""
    return {
        "before": before.last.directory,
        "after": after.last.directory,
        "same": before.last.digest == after.last.digest,
        "config": changes(_configs(before), _configs(after)),
        "totals": changes(_totals(before), _totals(after)),
        "funnel": changes(_funnel(before), _funnel(after)),
        "failed": changes(_failed(before), _failed(after)),
        "shards": _shards(before, after),
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """Compare two flat tables, in the order of their names."""
    return {
        name: [before.get(name), after.get(name)]
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Flatten nested tables and lists to dotted names: `source[0].license.policy`."""
    if isinstance(value, Mapping) and value:
        items = ((f"{name}.{key}" if name else str(key), item) for key, item in value.items())
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        items = ((f"{name}[{index}]", item) for index, item in enumerate(value))
    else:
        return {name: value}
    return {key: leaf for inner, item in items for key, leaf in flat(item, inner).items()}


def _configs(chain: Chain) -> dict[str, Any]:
    """Return the settings of all jobs of a chain and the tokenizer, flat."""
    settings: dict[str, Any] = {}
    for link in chain.links:
        settings |= flat(link.manifest.config)
        if link.manifest.extra:
            settings |= flat(link.manifest.extra, f"{link.manifest.step}.extra")
    tokenizer = chain.last.manifest.tokenizer
    return settings | (flat(tokenizer.model_dump(mode="json"), "tokenizer") if tokenizer else {})


def _totals(chain: Chain) -> dict[str, Any]:
    return flat({link.manifest.step: link.manifest.totals.model_dump() for link in chain.links})


def _funnel(chain: Chain) -> dict[str, Any]:
    """Return documents in, rejected and kept of every component, flat."""
    table: dict[str, Any] = {}
    for name, flow in flows(chain).items():
        table[f"{name}: documents in"] = flow.incoming.documents
        for step, rules in flow.rejected.items():
            for rule, count in rules.items():
                table[f"{name}: {step} {rule}"] = count.documents
        table[f"{name}: documents kept"] = flow.kept.documents
        table[f"{name}: bytes kept"] = flow.kept.bytes
        table[f"{name}: tokens"] = flow.tokens
    return table


def _failed(chain: Chain) -> dict[str, Any]:
    return {f"{failed.source}: {failed.input}": failed.error for failed in chain.failed}


def _shards(before: Chain, after: Chain) -> dict[str, Any]:
    """Compare shards by their digests; a shard with another path is the same shard."""
    old, new = _shard_rows(before), _shard_rows(after)
    return {
        "same": len(old.keys() & new.keys()),
        "removed": sorted(old[digest] for digest in old.keys() - new.keys()),
        "added": sorted(new[digest] for digest in new.keys() - old.keys()),
    }


def _shard_rows(chain: Chain) -> dict[str, str]:
    """Return digest -> path of the shards."""
    link = chain.link("tokenize")
    if link is None:
        return {}
    table = read_shard_table(link.directory, link.manifest)
    return dict(zip(table["sha256"].to_pylist(), table["shard"].to_pylist(), strict=True))


def render_diff(changed: dict[str, Any]) -> RenderableType:
    """Return what `diff` prints."""
    if changed["same"]:
        return unwrapped(f"{changed['before']} and {changed['after']} are the same, to the byte.")
    titles = ("config", "totals", "funnel", "failed")
    shards = changed["shards"]
    return Group(
        unwrapped(f"before: {changed['before']}\nafter:  {changed['after']}"),
        *(_table(title, changed[title]) for title in titles if changed[title]),
        unwrapped(
            f"shards: {formatting.count(shards['same'])} the same, "
            f"{formatting.count(len(shards['removed']))} removed, "
            f"{formatting.count(len(shards['added']))} added"
        ),
    )


def _table(title: str, changed: Mapping[str, Change]) -> PrintableTable:
    """Return the table of one group of changes."""
    table = PrintableTable(title)
    table.add_column("what", overflow="fold")
    table.add_column("before", justify="right", overflow="fold")
    table.add_column("after", justify="right", overflow="fold")
    table.add_column("change", justify="right")
    for name, (old, new) in list(changed.items())[:MAX_ROWS]:
        table.add_row(name, _value(old), _value(new), _difference(old, new))
    more = len(changed) - MAX_ROWS
    if more > 0:
        table.caption = f"and {formatting.count(more)} more changes: --json lists them all"
        table.caption_justify = "left"
    return table


def _value(value: Any) -> str:
    """Return a value as a cell."""
    if value is None:
        return "-"
    return formatting.count(value) if _is_number(value) and abs(value) >= 1000 else str(value)


def _difference(old: Any, new: Any) -> str:
    """Return `new - old` with its sign; "" unless both are numbers."""
    if not (_is_number(old) and _is_number(new)):
        return ""
    return f"{new - old:+,.6g}" if isinstance(new - old, float) else f"{new - old:+,}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
