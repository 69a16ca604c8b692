"""MIX.toml, read and written."""

import os
from collections.abc import Sequence

import tomli_w
from pydantic import Field

from manifests.config import Config, load_config
from manifests.io import files


class Group(Config):
    """Components that share one weight."""

    name: str
    """How tables and errors call it."""
    components: list[str] = Field(min_length=1)
    """Names (`source/slug`) or patterns of them (`the-stack/*`); each must match something."""
    weight: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Its share of the tokens, relative to the other groups' weights; or else `epochs`."""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How often the whole mixture sees it; or else `weight`."""
    inner_epochs: dict[str, float] = Field(default_factory=dict)
    """Epochs of a component relative to the others of the group, 1 where not said: inside a group
    a component's weight is its tokens times this. (The Pile, arXiv 2101.00027, Table 1, takes
    Wikipedia 3 times and arXiv twice.)"""
    max_epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """A component that was seen this often leaves the mixture; the rest of its group takes its
    share, and when there is none, the other groups."""


class Mixture(Config):
    """A mixture over one or more datasets."""

    datasets: list[str] = Field(min_length=1)
    """Directories written by `tokenize`, relative to the file."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of the order and of every span."""
    tokens: int | None = Field(default=None, gt=0)
    """Budget in tokens; or else `epochs`."""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Budget in sizes of the whole mixture: 1 is as many tokens as its components hold. The
    default is 1, or what the groups' own epochs add up to where every group has them."""
    group: list[Group] = Field(min_length=1)


def load_mixture(path: str, overrides: Sequence[str] = ()) -> Mixture:
    """Read MIX.toml; its datasets become paths that hold wherever the caller stands.

    Raises:
        UsageError: the file is not there, is no TOML, or has faults.
    """
    mixture = load_config(path, Mixture, overrides)
    base = os.path.dirname(path)
    return mixture.model_copy(update={"datasets": [_below(base, d) for d in mixture.datasets]})


def _below(base: str, directory: str) -> str:
    if files.is_local(directory) and not os.path.isabs(directory):
        return os.path.normpath(os.path.join(base, directory))
    return directory


def save_mixture(mixture: Mixture, path: str) -> None:
    """Write a mixture as TOML, atomically; paths of local datasets are relative to the file."""
    base = os.path.dirname(files.local_path(path)) or "."
    content = mixture.model_dump(exclude_none=True)
    content["datasets"] = [
        os.path.relpath(dataset, base)
        if files.is_local(dataset) and files.is_local(path)
        else dataset
        for dataset in content["datasets"]
    ]
    for group in content["group"]:
        if not group["inner_epochs"]:
            del group["inner_epochs"]
    files.write_bytes(path, tomli_w.dumps(content).encode())
