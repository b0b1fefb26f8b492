"""What can go wrong with an event log, apart from what is in the events."""

# ruff: noqa: N818 - named by what is wrong, as the reasons of the RPCs are


class EventLogError(Exception):
    """Base of everything this package raises; the message names the remedy."""


class BrokerUnavailable(EventLogError):
    """No broker answered in time. Transient: try again."""


class BrokerFailed(EventLogError):
    """The embedded broker did not start; the message names its log file."""


class TopicMissing(EventLogError):
    """The broker does not have a topic that must exist."""


class LogTruncated(EventLogError):
    """Records that were not yet read have been deleted from the log."""


class Fenced(EventLogError):
    """The partitions belong to another member of the group by now."""


class BufferFull(EventLogError):
    """The producer holds as many unacknowledged bytes as it may."""


class RecordTooLarge(EventLogError):
    """The record is larger than its topic takes."""


class PublishFailed(EventLogError):
    """Records were not acknowledged; some of them may be in the log all the same."""
