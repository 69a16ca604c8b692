"""The first module that the fork server of worker processes imports.

It hides warnings of optional packages, which Beam logs when a worker imports it.
"""

import logging

logging.getLogger().setLevel(logging.ERROR)
