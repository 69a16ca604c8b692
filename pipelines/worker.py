"""A worker process of the in-process engine: Beam's own, without its chatter on the terminal."""

import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

SECONDS = 1
"""Between two looks at whether the engine is still there."""


def main() -> None:
    """Serve the engine that started this process until it is done, or gone."""
    signal.signal(signal.SIGINT, _leave)
    threading.Thread(target=_leave_with, args=[os.getppid()], daemon=True).start()
    # Before the import: Beam logs while it is imported, and configures logging as it starts. What
    # goes wrong is raised where the engine runs, too.
    logging.disable(logging.CRITICAL)
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def _leave(number: int, frame: FrameType | None) -> None:
    """On Ctrl-C the engine speaks to the user; a worker has nothing to add."""
    os._exit(0)


def _leave_with(engine: int) -> None:
    """End when the engine was killed: nobody else would end its workers."""
    while os.getppid() == engine:
        time.sleep(SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
