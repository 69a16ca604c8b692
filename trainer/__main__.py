"""`torchrun --nproc-per-node 2 -m trainer RUN.toml [key=value ...] [--from STEP]`."""

import argparse
import os
import sys
from collections.abc import Sequence

from manifests.errors import StackpileError
from trainer.config import load_run_config
from trainer.train import train


def main(arguments: Sequence[str]) -> int:
    """Train the run of RUN.toml; print an error as one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="torchrun ... -m trainer")
    parser.add_argument("config", metavar="RUN.toml", help="config of the run")
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="values to replace")
    parser.add_argument(
        "--from", dest="start", metavar="STEP", type=int, help="checkpoint to continue from"
    )
    options = parser.parse_args(arguments)
    try:
        train(load_run_config(options.config, options.overrides), options.start)
    except StackpileError as error:
        # Every process raises a usage error, so only the first one prints it. A data error is
        # raised by the process that read the data.
        if os.environ.get("RANK", "0") == "0" or error.exit_code == 1:
            print(f"trainer: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
