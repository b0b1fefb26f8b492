"""`pagecast page --replay`: what it reads, and how it reports the result."""

from typing import Any

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError
from pagecast.cli.output import Output
from pagecast.cli.settings import Settings
from pagecast.engine.following import Followed
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.server.experiments.recorded_page import NotReplayable
from pagecast.server.experiments.replay import Replay, Replays


def replay_page(page_id: str, settings: Settings, output: Output) -> None:
    """Decodes a logged page again and reports how it came out.

    Raises CommandError if it cannot be decoded, or comes out differently.
    """
    paths = StatePaths(root=settings.state_dir)
    with open_database(settings) as engine:
        replays = Replays(
            log=OfflineLog(paths.offline),
            catalog=Catalog(engine),
            bundles=paths.bundles,
            fold=settings.fold.config(),
        )
        try:
            parts = replays.replay(page_id)
        except NotReplayable as error:
            raise CommandError(f"page {page_id} cannot be replayed: {error}") from error
    for part in parts:
        for row in part.page.rows:
            output.say(f"{row.row_id}: {', '.join(row.entity_ids)}")
    differing = [token for part in parts for token in part.differing]
    tokens = sum(len(part.tokens) for part in parts)
    output.document(_document(page_id, parts))
    if differing:
        raise CommandError(
            f"{len(differing)} of {tokens} tokens are not what would be picked now",
            "see `differing` of --json; a page that was served quantised may differ",
        )
    version = parts[0].page.model_version
    output.say((f"the same page again: {tokens} tokens by model {version}", "dim"))


def _document(page_id: str, parts: list[Replay]) -> dict[str, Any]:
    return {
        "page_id": page_id,
        "same": not any(part.differing for part in parts),
        "parts": [
            {
                "model_version": part.page.model_version,
                "catalog_number": part.page.catalog_number,
                "rows_before": len(part.page.rows_before),
                "rows": [
                    {"row_id": row.row_id, "entity_ids": list(row.entity_ids)}
                    for row in part.page.rows
                ],
                "tokens": len(part.tokens),
                "near_ties": sum(token.near_tie for token in part.tokens),
                "log_probability_difference_max": part.log_probability_difference_max,
                "differing": [_difference(part, token) for token in part.differing],
            }
            for part in parts
        ],
    }


def _difference(part: Replay, token: Followed) -> dict[str, Any]:
    names = (
        [row.row_id for row in part.snapshot.rows]
        if token.place.token == 0
        else [entity.entity_id for entity in part.snapshot.entities]
    )
    return {
        "row_position": token.place.row,
        "entity_position": token.place.token - 1 if token.place.token else None,
        "recorded": names[token.recorded],
        "picked": None if token.picked is None else names[token.picked],
        "near_tie": token.near_tie,
    }
