import shutil

import pytest

from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import load_manifest, save_manifest
from pipelines.inspect.diff import changes, diff, flat, render_diff
from tests.outputs import printed


def test_a_copy_of_an_output_has_no_differences(output, tmp_path):
    shutil.copytree(output, tmp_path / "copy")
    changed = diff(load_chain(str(output)), load_chain(str(tmp_path / "copy")))
    assert changed["same"]
    assert not any(changed[title] for title in ("config", "totals", "funnel", "failed"))
    assert changed["shards"] == {"same": 9, "removed": [], "added": []}
    assert "the same, to the byte" in printed(render_diff(changed), 120)


def test_a_changed_setting_is_listed(output, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(output, copy)
    manifest = load_manifest(str(copy / "dedup"))
    config = {"dedup": {"profile": "stack-v1.2", "scope": "source"}}
    save_manifest(str(copy / "dedup"), manifest.model_copy(update={"config": config}))
    changed = diff(load_chain(str(output / "dedup")), load_chain(str(copy / "dedup")))
    assert changed["config"] == {"dedup.scope": ["all", "source"]}
    assert not changed["funnel"]
    assert "dedup.scope" in printed(render_diff(changed), 120)


def test_other_shards_and_tokens_are_listed(output, make_dataset, tmp_path):
    other = make_dataset(tmp_path / "tokenize-other", {"the-stack/python": ["x = 1\n"] * 4})
    changed = diff(load_chain(str(output)), load_chain(other))
    assert changed["shards"]["same"] == 0
    assert len(changed["shards"]["removed"]) == 9
    assert len(changed["shards"]["added"]) == 2
    assert changed["funnel"]["the-stack/c: documents kept"] == [14, None]
    text = printed(render_diff(changed), 120)
    assert "shards: 0 the same, 9 removed, 2 added" in text
    assert "more changes" not in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": 1}}, {"a.b": 1}),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a[0].b": 1, "a[1].b": 2}),
        ({"a": ["x", "y"]}, {"a": ["x", "y"]}),
        ({"a": {}}, {"a": {}}),
    ],
)
def test_nested_tables_become_dotted_names(value, expected):
    assert flat(value) == expected


def test_equal_values_are_not_listed():
    assert changes({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5}) == {
        "a": [1, None],
        "c": [3, 4],
        "d": [None, 5],
    }
