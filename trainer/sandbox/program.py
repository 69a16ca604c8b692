"""A program's own process: descriptors, confinement, execution, and its report."""

import os
import random
import signal
from typing import NoReturn

from trainer.sandbox.confinement import Confinement
from trainer.sandbox.root import SCRATCH

REPORT = 3
"""Descriptor that the report is written to; 0 to 2 are /dev/null, and no other is open."""

REFUSED = 2
"""Exit status of a process that could not be confined; the nonce comes before its message."""

MESSAGE = 500
"""Characters of an error message that are kept."""


def execute(text: str, report: int, nonce: bytes, confinement: Confinement) -> NoReturn:
    """Execute a program in this process, report the nonce if its end is reached, and exit.

    A program that exits, is killed, or raises an error never reports the nonce. (A program that
    searches the memory of its own interpreter can find the nonce, as it can replace the functions
    that its tests call: tests that run in the program's own process are no proof against a program
    that was written to deceive this very harness.)

    Args:
        text: of the program, as UTF-8 Python source.
        report: descriptor of the write end of a pipe.
        nonce: random bytes that the program does not know.
        confinement: of the program.
    """
    # The program may replace the functions of os.
    write, leave, getpid, own = os.write, os._exit, os.getpid, os.getpid()
    try:
        _redirect(report)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.chdir(SCRATCH)
        confinement.apply()
    except BaseException as error:
        write(REPORT, nonce + _described(error))
        leave(REFUSED)
    try:
        random.seed(0)
        exec(compile(text, "<program>", "exec", dont_inherit=True), {})
        message = nonce if getpid() == own else b"a forked process reached the end"
    except BaseException as error:
        message = _described(error)
    write(REPORT, message)
    leave(0)


def _redirect(report: int) -> None:
    """Make 0 to 2 /dev/null and REPORT the report, and close all others."""
    null = os.open("/dev/null", os.O_RDWR)
    kept = os.dup2(report, 60, inheritable=False)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.dup2(kept, REPORT, inheritable=False)
    os.closerange(REPORT + 1, os.sysconf("SC_OPEN_MAX"))


def _described(error: BaseException) -> bytes:
    """Return the type and the text of an error that a program raised, at most MESSAGE characters.

    The text comes from the program's own `__str__`, which may do anything.
    """
    try:
        text = f"{type(error).__name__}: {error}"[:MESSAGE]
    except BaseException:
        text = "an error without a text"
    return text.encode("utf-8", "replace")
