"""A worker process of the in-process engine: Beam's own, without its chatter on the terminal."""

import logging
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Serve the engine that started this process until it is done, or gone."""
    signal.signal(signal.SIGINT, _leave)
    # Before the import: Beam logs while it is imported, and configures logging as it starts.
    logging.disable(logging.WARNING)
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def _leave(number: int, frame: FrameType | None) -> None:
    """On Ctrl-C the engine speaks to the user; a worker has nothing to add."""
    os._exit(128 + number)


if __name__ == "__main__":
    main()
