"""The subcommand `presets`."""

import json
import tomllib

import pytest

from manifests.errors import UsageError


def test_presets_lists_each_preset_with_its_sources(run):
    text = run("presets").stdout
    for word in ("codegen2\n", "codegen2-mix\n", "codegen2.5\n", "2305.02309, section 3.4"):
        assert word in text
    assert json.loads(run("presets", "--json").stdout)["presets"].keys() == {
        *("codegen2", "codegen2-mix", "codegen2.5")
    }


def test_a_preset_is_written_once(run, tmp_path):
    path = tmp_path / "CORPUS.toml"
    assert "set the `files`" in run("presets", "codegen2", "--out", path).stdout
    assert tomllib.loads(path.read_text())["source"][0]["kind"] == "the-stack"
    with pytest.raises(UsageError, match="exists already"):
        run("presets", "codegen2.5", "--out", path)
    with pytest.raises(UsageError, match="there is no preset 'codegen3'"):
        run("presets", "codegen3", "--out", tmp_path / "other.toml")
