"""docs/architecture.md names files of the tree, and folders as import-linter checks them."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()


def test_every_path_of_the_page_exists() -> None:
    paths = re.findall(r"`((?:pipelines|manifests|filters|objectives|trainer)/[\w/.]*)`", PAGE)
    paths += [f"docs/{target}" for target in re.findall(r"\]\(([\w.-]+)\)", PAGE)]
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", ["pipelines", "objectives", "manifests"])
def test_rooms_are_listed_in_the_order_of_imports(package: str) -> None:
    [listed] = re.findall(rf"^- `{package}`: ([^.]*)\.$", PAGE, re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [
        contract["layers"]
        for contract in contracts["contracts"]
        if contract["name"] == f"Folders of {package} import only folders below them"
    ]
    folders = [name.removeprefix(f"{package}.") for layer in layers for name in layer.split(" | ")]
    assert re.split(r"[;,]\s+", listed) == folders
