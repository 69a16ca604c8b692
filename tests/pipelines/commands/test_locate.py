"""The subcommand `show`; `locate` is tested in tests/pipelines/inspect."""

import json

import pytest

from manifests.errors import UsageError


def test_show_prints_the_reason_and_json_has_the_text(run, output):
    assert "kept (MIT" in run("show", output, "src/c/0.txt").stdout
    assert json.loads(run("show", output, "src/c/0.txt", "--json").stdout)["text"].startswith(
        "# c 0"
    )
    with pytest.raises(UsageError, match="holds no document"):
        run("show", output, "ffff0000")
