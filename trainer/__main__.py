"""`torchrun --nproc-per-node 2 -m trainer RUN.toml [key=value ...]`."""

import os
import sys

from manifests.errors import StackpileError, UsageError
from trainer.config import load_run_config
from trainer.train import train


def main(arguments: list[str]) -> int:
    """Train the run of RUN.toml; print an error as one sentence on stderr."""
    try:
        if not arguments or arguments[0].startswith("-"):
            raise UsageError("usage: torchrun ... -m trainer RUN.toml [key=value ...]")
        train(load_run_config(arguments[0], arguments[1:]))
    except StackpileError as error:
        # Every process raises a usage error, so only the first one prints it. A data error is
        # raised by the process that read the data.
        if os.environ.get("RANK", "0") == "0" or error.exit_code == 1:
            print(f"trainer: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
