"""What goes wrong with a simulation, in the command line's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from pagecast.cli.exits import CommandError, InputError, NotRunningError
from pagecast.eventlog.errors import BrokerUnavailable, EventLogError
from pagecast.simulator.errors import (
    ClockRefused,
    MembersKnown,
    PlatformFailed,
    PlatformUnavailable,
)


@contextmanager
def simulation_errors() -> Iterator[None]:
    """Raises CliError for what `simulate` raises."""
    try:
        yield
    except PlatformUnavailable as error:
        raise NotRunningError(str(error), "see whether `pagecast up` runs well") from error
    except ClockRefused as error:
        raise InputError(str(error), "start it with `pagecast up --allow-client-clock`") from error
    except MembersKnown as error:
        raise InputError(str(error)) from error
    except PlatformFailed as error:
        raise CommandError(str(error), "read the server's log") from error
    except BrokerUnavailable as error:
        raise NotRunningError(str(error)) from error
    except EventLogError as error:
        raise CommandError(str(error)) from error
