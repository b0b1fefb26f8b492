"""What clients ask for."""

from dataclasses import asdict, dataclass

from pagecast.cli.bench.serve.config import HYBRID_K
from pagecast.cli.bench.serve.world import START_MS
from pagecast.v1 import homepage_pb2


@dataclass(frozen=True, kw_only=True)
class PageShape:
    """The size of a page and how it is decoded, as its request says."""

    rows: int = 20
    entities_per_row: int = 10
    exact_entities: int = 10

    def request(self, user_id: str, minutes: int = 0) -> homepage_pb2.StreamHomepageRequest:
        """A user's request, `minutes` after the world's moment."""
        request = homepage_pb2.StreamHomepageRequest(user_id=user_id, **asdict(self))
        request.requested_at.FromMilliseconds(START_MS + minutes * 60_000)
        return request


WHOLE = PageShape(exact_entities=HYBRID_K)
"""A whole page, decoded as a server does it unless told otherwise."""

SHORT = PageShape(rows=4, exact_entities=HYBRID_K)
"""For first rows: shorter pages, so that more of them can be asked for."""
