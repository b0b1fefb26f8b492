"""What can go wrong with a simulation, apart from the event log's errors."""

# ruff: noqa: N818 - named by what is wrong


class SimulationFailed(Exception):
    """Base of everything this package raises."""


class PlatformUnavailable(SimulationFailed):
    """The server does not answer, or is too busy to."""


class PlatformFailed(SimulationFailed):
    """The server answered with an error."""


class ClockRefused(SimulationFailed):
    """The server does not let clients say what time it is."""


class MembersKnown(SimulationFailed):
    """The platform has seen the members before: they would not begin as strangers."""
