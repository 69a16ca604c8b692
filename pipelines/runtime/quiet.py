"""Hide log messages of Beam, which progress bars and errors replace."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(name: str = "", level: int = logging.ERROR) -> Iterator[None]:
    """Hide messages of a logger; by default warnings of all, such as Beam's when it is imported.

    Args:
        name: the logger; "" for the root of all loggers.
        level: the lowest level that is shown.
    """
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
