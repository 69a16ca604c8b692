"""`stackpile warm` runs the kernels of the jobs, of `materialize` and of every objective."""

import json
import sys

import typer
from numba.core.dispatcher import Dispatcher
from typer.testing import CliRunner

from manifests.prng.jit import PACKAGES
from pipelines import commands

CALLED_BY_KERNELS = {
    "filters.dedup.xxhash_kernels",
    "objectives.tasks.kernels",
    "objectives.tasks.spans",
    "objectives.tasks.token_splits",
}
"""Modules whose kernels are compiled into those of other modules."""


DETECTOR = {"filters.scancode.candidates"}
"""Modules whose kernels run in the process of the license detector."""


def test_every_module_with_kernels_has_one_that_is_compiled_or_loaded():
    app = typer.Typer()
    commands.register(app)
    result = CliRunner().invoke(app, ["warm", "--json"], catch_exceptions=False)
    assert json.loads(result.stdout).keys() == {"compiled", "seconds"}
    kernels = {
        name: [
            value
            for value in vars(module).values()
            if isinstance(value, Dispatcher) and value.py_func.__module__ == name
        ]
        for name, module in sorted(sys.modules.items())
        if name.partition(".")[0] in PACKAGES and name not in CALLED_BY_KERNELS | DETECTOR
    }
    kernels = {name: values for name, values in kernels.items() if values}
    assert len(kernels) > 15
    for name, values in kernels.items():
        assert any(kernel.signatures for kernel in values), name
