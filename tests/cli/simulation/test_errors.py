"""Every error of a simulation has an exit code and, where there is one, a remedy."""

import pytest

from pagecast.cli.exits import CliError, CommandError, InputError, NotRunningError
from pagecast.cli.simulation.errors import simulation_errors
from pagecast.eventlog.errors import BrokerUnavailable, PublishFailed
from pagecast.simulator.errors import (
    ClockRefused,
    MembersKnown,
    PlatformFailed,
    PlatformUnavailable,
)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PlatformUnavailable, NotRunningError),
        (BrokerUnavailable, NotRunningError),
        (ClockRefused, InputError),
        (MembersKnown, InputError),
        (PlatformFailed, CommandError),
        (PublishFailed, CommandError),
    ],
)
def test_what_fails_is_told_in_one_line(error: type[Exception], told: type[CliError]) -> None:
    with pytest.raises(told, match="this is why"), simulation_errors():
        raise error("this is why")
