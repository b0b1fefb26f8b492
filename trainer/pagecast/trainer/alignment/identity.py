"""Which alignment a checkpoint is of."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import JsonValue, TypeAdapter

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.fitting.identity import flat


def identity_of(
    config: AlignConfig, champion: Policy, asks: Sequence[Ask], table: RewardConfig | None
) -> dict[str, JsonValue]:
    """Facts of a run by dotted name; weights and requests are digests.

    `table` is what the run's rewards count by, None where they count by none.
    """
    settings = asdict(config)
    settings.pop("checkpoint_every_s")
    counted = None if table is None else asdict(table)
    weights = hashlib.sha256()
    for tensor in champion.model.state_dict().values():
        weights.update(tensor.contiguous().numpy().tobytes())
    prompts = hashlib.sha256()
    for ask in asks:
        prompts.update(f"{ask.user_id} {ask.prompt.sha256()} {ask.rules.sha256}".encode())
        prompts.update(repr(sorted(ask.chosen.items())).encode())
    return {
        **dict(flat("align", _json(settings))),
        **dict(flat("reward", _json(counted))),
        "champion": weights.hexdigest()[:16],
        "asks": prompts.hexdigest()[:16],
    }


def _json(told: dict[str, object] | None) -> JsonValue:
    return TypeAdapter[JsonValue](JsonValue).validate_json(json.dumps(told))
