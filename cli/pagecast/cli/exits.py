"""What each exit code means, and the errors that lead to it. The one place that says so."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Every code a command ends with."""

    OK = 0
    """Done."""
    FAILED = 1
    """It ran and did not succeed; `doctor` found something broken; a check of `demo` failed."""
    BAD_INPUT = 2
    """Wrong usage, settings or input; nothing was done."""
    NOT_RUNNING = 3
    """The broker, the server or another thing it needs is not there or does not answer."""
    LOCKED = 4
    """Another process holds the state directory."""
    INTERRUPTED = 130
    """Ctrl-C (128 + SIGINT)."""
    TERMINATED = 143
    """SIGTERM (128 + 15)."""


EXIT_CODES_HELP = (
    "Exit codes: 0 done · 1 failed · 2 wrong usage, settings or input · "
    "3 something it needs is not running · 4 the state directory is in use · "
    "130 interrupted · 143 terminated."
)


class CliError(Exception):
    """An error in one line: what is wrong, then how to mend it.

    `details` is text from elsewhere, such as the end of a log, shown below as it is.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, remedy: str = "", *, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class CommandError(CliError):
    """It ran and did not succeed."""


class InputError(CliError):
    """Wrong settings or input."""

    exit_code = ExitCode.BAD_INPUT


class NotRunningError(CliError):
    """Something the command needs is not there or does not answer."""

    exit_code = ExitCode.NOT_RUNNING


class LockedError(CliError):
    """Another process holds the state directory."""

    exit_code = ExitCode.LOCKED
