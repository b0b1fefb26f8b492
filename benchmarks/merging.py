"""What merging events into steps saves: steps and packed bytes of histories.

    python benchmarks/merging.py .pagecast/data/ml-100k/interactions.jsonl

Folds a file of the interchange format at several granularities: a step for every event, neighbours
of one entity merged within half an hour (the default), or within a day. Steps are those of the
window, 512 at most; bytes are those of the packed history as the online store keeps it, including
names and hashes of recent events. Prints one JSON document; benchmarks/model.md has the results,
and what the model makes of them.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from google.protobuf.json_format import Parse

from pagecast.featurestore.history.fold import DEFAULT_FOLD, NEVER, FoldConfig, apply_token, begin
from pagecast.featurestore.history.history import History
from pagecast.featurestore.history.packing import pack
from pagecast.featurestore.history.tokens import Token, token_of
from pagecast.v1 import events_pb2

DAY_MS = 24 * 60 * 60 * 1000


def merged_within(gap_ms: int) -> FoldConfig:
    """The default config, with another gap wherever it has one."""
    gaps = {
        action: NEVER if gap == NEVER else gap_ms
        for action, gap in DEFAULT_FOLD.merge_gap_ms.items()
    }
    return FoldConfig(merge_gap_ms=gaps)


GRANULARITIES: Mapping[str, FoldConfig] = {
    "a step for every event": FoldConfig(merge_gap_ms={}),
    "merged within half an hour": DEFAULT_FOLD,
    "merged within a day": merged_within(DAY_MS),
}


def histories(tokens: Iterable[tuple[str, Token]], fold: FoldConfig) -> Mapping[str, History]:
    """A history for each user, from tokens in the order of time."""
    found: dict[str, History] = {}
    for offset, (user_id, token) in enumerate(tokens):
        history = found.setdefault(user_id, History(user_id))
        begin(history, "file", 0)
        apply_token(history, token, offset, fold)
    return found


def measured(found: Mapping[str, History]) -> dict[str, float]:
    """Means over users, and the share of users whose window has lost steps."""
    steps_U = np.array([len(history.steps) for history in found.values()])
    bytes_U = np.array([len(pack(history)) for history in found.values()])
    return {
        "steps": float(steps_U.mean()),
        "bytes": float(bytes_U.mean()),
        "windows that lost steps": float(
            np.mean([history.steps_dropped > 0 for history in found.values()])
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("interactions", type=Path)
    asked = parser.parse_args()
    with asked.interactions.open(encoding="utf-8") as lines:
        events = [Parse(line, events_pb2.InteractionEvent()) for line in lines]
    events.sort(key=lambda event: event.occurred_at.ToMilliseconds())
    tokens = [(event.user_id, token_of(event)) for event in events]
    rows = {name: measured(histories(tokens, fold)) for name, fold in GRANULARITIES.items()}
    print(json.dumps({"users": len({user_id for user_id, _ in tokens}), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
