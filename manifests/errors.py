"""The two ways in which a command can fail, and nothing else."""


class StackpileError(Exception):
    """One clear sentence that names the file and the field; `exit_code` is the process's."""

    exit_code = 1


class BadData(StackpileError):
    """The data is bad: a shard, a manifest or an input is not what it should be (exit code 1)."""

    exit_code = 1


class BadCall(StackpileError):
    """The command was called wrongly: an argument or a config is not usable (exit code 2)."""

    exit_code = 2
