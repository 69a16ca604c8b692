"""The errors that Stackpile raises: each message is one sentence for the user."""


class StackpileError(Exception):
    """An error that ends a command.

    The message names the file and the field. `exit_code` is the exit code of the process.
    """

    exit_code = 1


class DataError(StackpileError):
    """A shard, a manifest or an input has wrong content (exit code 1)."""

    exit_code = 1


class UsageError(StackpileError):
    """An argument of the command line or a config has a wrong value (exit code 2)."""

    exit_code = 2


class HandedOver(StackpileError):
    """A step was handed over to be run later, so its parts are not done (exit code 3)."""

    exit_code = 3


class InputError(Exception):
    """An input file of a job cannot be read.

    The job records the message in the list of failed inputs and goes on with other inputs.
    """
