"""MIX.toml: the config of a mixture."""

import os
from collections.abc import Sequence
from typing import Annotated

import tomli_w
from pydantic import Field

from manifests.config import Config, load_config
from manifests.io import files


class WeightedGroup(Config):
    """A name, and a weight or epochs."""

    name: str
    """Name of the group in tables and errors."""
    weight: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Share of the tokens, relative to the weights of the other groups. A group has a weight or
    epochs."""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Epochs of the group in the whole mixture."""


class MixtureGroup(WeightedGroup):
    """Components that share one weight."""

    components: list[str] = Field(min_length=1)
    """Names (`source/slug`) or patterns (`the-stack/*`); each must match a component."""
    inner_epochs: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict
    )
    """Component -> its epochs relative to the other components of the group, of which those that
    are not named have 1. Within a group, the weight of a component is its tokens times its inner
    epochs. (The Pile, arXiv 2101.00027, Table 1, repeats Wikipedia 3 times and arXiv twice.)"""
    max_epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Maximum epochs of a component. When a component reaches the maximum, its share goes to the
    other components of its group, or to the other groups if none is left."""


class Mixture(Config):
    """A mixture of the components of one or more datasets."""

    datasets: list[str] = Field(min_length=1)
    """Directories that `tokenize` wrote, relative to MIX.toml."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the order of the stream and of all random choices of objectives. Ours: any number."""
    tokens: int | None = Field(default=None, gt=0)
    """Budget in tokens. A mixture has a budget in tokens or in epochs."""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Budget in epochs of the whole mixture. The default is 1, or the sum of the groups' epochs if
    every group has epochs. Ours: every document once."""
    group: list[MixtureGroup] = Field(min_length=1)
    """The [[group]] tables."""


def load_mixture(path: str, overrides: Sequence[str] = ()) -> Mixture:
    """Read MIX.toml; relative paths of datasets start at the directory of the file.

    Raises:
        UsageError: the file does not exist, is not TOML, or has faults.
    """
    mixture = load_config(path, Mixture, overrides)
    base = os.path.dirname(path) or "."
    datasets = [files.resolve(base, directory) for directory in mixture.datasets]
    return mixture.model_copy(update={"datasets": datasets})


def save_mixture(mixture: Mixture, path: str) -> None:
    """Write a mixture as TOML, atomically.

    Paths of local datasets are relative to a local file; in a file at a URL they are absolute.
    """
    content = mixture.model_dump(exclude_none=True)
    content["datasets"] = [_path_in(path, dataset) for dataset in mixture.datasets]
    for group in content["group"]:
        if not group["inner_epochs"]:
            del group["inner_epochs"]
    files.write_bytes(path, tomli_w.dumps(content).encode())


def _path_in(path: str, dataset: str) -> str:
    """Return the path of a dataset as it is written in the file at `path`."""
    if "://" in dataset:
        return dataset
    if not files.is_local(path):
        return os.path.abspath(dataset)
    return os.path.relpath(dataset, os.path.dirname(files.local_path(path)) or ".")
