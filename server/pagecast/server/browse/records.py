"""The records of a page that is browsed: one for each prompt, not one for each pause.

A part made from the same prompt as the part before it would have been decoded together with it, had
the client seen its rows sooner: the two share a record, as if the page had come in one part.
"""

from pagecast.v1 import events_pb2


class BrowseRecords:
    """Takes the record of each part, in their order."""

    def __init__(self) -> None:
        self._records: list[events_pb2.PageServed] = []

    def add(self, part: events_pb2.PageServed) -> None:
        if self._records and (not part.rows or _made_from(self._records[-1]) == _made_from(part)):
            self._records[-1].rows.extend(part.rows)
            return
        self._records.append(part)

    def take_sent(self, rows_sent: int) -> list[events_pb2.PageServed]:
        """Records that will not change any more; `rows_sent` counts those of the page."""
        taken = []
        while len(self._records) > 1 and _end(self._records[0]) <= rows_sent:
            taken.append(self._records.pop(0))
        return taken

    def take_rest(self, rows_sent: int) -> list[events_pb2.PageServed]:
        """All records that are left, without rows that were decoded but not sent."""
        taken, self._records = self._records, []
        for record in taken:
            del record.rows[max(0, rows_sent - len(record.rows_before)) :]
        return [record for record in taken if record.rows]


def _end(record: events_pb2.PageServed) -> int:
    return len(record.rows_before) + len(record.rows)


def _made_from(record: events_pb2.PageServed) -> events_pb2.PageServed:
    """The record without what differs between parts of one prompt; rules depend on what stands."""
    made_from = events_pb2.PageServed()
    made_from.CopyFrom(record)
    made_from.ClearField("rows")
    made_from.ClearField("rows_before")
    made_from.ClearField("rules_sha256")
    made_from.ClearField("time_to_first_row")
    return made_from
