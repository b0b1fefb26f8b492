"""What the options of `pagecast train` can be. Named here so that `--help` needs no torch."""

from enum import StrEnum


class Promotion(StrEnum):
    """Whether a trained model becomes the champion."""

    GATE = "gate"
    FIRST = "first"
    ALWAYS = "always"
    NEVER = "never"


class Align(StrEnum):
    """`pagecast.trainer.alignment.config.RECIPES` by name."""

    DR_GRPO = "dr-grpo"
    GRPO_SR = "grpo-sr"


class Profile(StrEnum):
    """`pagecast.trainer.profiles` by name."""

    TINY = "tiny"
    SMALL = "small"
    BASE = "base"
    LARGE = "large"


class Response(StrEnum):
    """`pagecast.trainer.config.Response` by name."""

    ENTITIES = "entities"
    SEMANTIC_IDS = "semantic_ids"
