"""The first module that the fork server of worker processes imports.

Ctrl-C reaches every process of a terminal. Only the driver handles it, and ends its workers.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
