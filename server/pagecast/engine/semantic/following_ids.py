"""A recorded page of semantic IDs is followed: each entity along its ID, token by token.

Letters in names: N entities, L tokens of an ID, V what competes: rows or codes.
"""

from collections.abc import Sequence

from pagecast.engine.choice import Choice
from pagecast.engine.following import Followed, Following, NotAllowedError
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.picking import Picker, Place
from pagecast.featurestore.prompt.semantic_ids import LEVELS, NO_TOKEN, level_tokens
from pagecast.rules.predicates import Indices
from pagecast.rules.standing_row import StandingRow


class FollowingIds(Following):
    """`tokens` has one entry for each row and entity, however many tokens its ID has.

    For an entity that would not be picked now `picked` is None: once another token is preferred,
    nobody has spelled that other ID to its end.
    """

    def __init__(
        self,
        picker: Picker,
        rows: Sequence[StandingRow],
        first: int,
        *,
        token_NL: Indices,
        codes: int,
    ) -> None:
        super().__init__(picker, rows, first)
        self._token_NL, self._codes = token_NL, codes
        self._spelt: list[tuple[bool, Choice]] = []

    def pick(self, masked_V: FloatArray, place: Place, tokens_V: Indices | None) -> Choice:
        """Raises NotAllowedError."""
        if not place.code:
            return super().pick(masked_V, place, tokens_V)
        entity, level = self._recorded(place), place.code - 1
        picked = self._picker.pick(masked_V, place, tokens_V)
        position = int(self._token_NL[entity, level]) - level_tokens(level, self._codes).start
        if not (position >= 0 and masked_V[position] > -float("inf")):
            raise NotAllowedError(f"entity {entity} may not be spelled at {tuple(place)}")
        log_probability = self._picker.log_probability(masked_V, position)
        choice = Choice(
            position=position, log_probability=log_probability, near_tie=picked.near_tie
        )
        self._spelt.append((picked.position == position, choice))
        if level == LEVELS or (level == LEVELS - 1 and self._token_NL[entity, LEVELS] == NO_TOKEN):
            self._end(entity, place)
        return choice

    def _end(self, entity: int, place: Place) -> None:
        same = all(same for same, _ in self._spelt)
        self.tokens.append(
            Followed(
                place=place._replace(code=0),
                recorded=entity,
                picked=entity if same else None,
                near_tie=any(choice.near_tie for _, choice in self._spelt),
                log_probability=sum(choice.log_probability for _, choice in self._spelt),
            )
        )
        self._spelt.clear()


def following(model: Model, picker: Picker, rows: Sequence[StandingRow], first: int) -> Following:
    """What follows a page of this model."""
    named, spelling = model.entities.named, model.bundle.spelling
    if named is None or spelling is None:
        return Following(picker, rows, first)
    codes = spelling.codebook.codes
    return FollowingIds(picker, rows, first, token_NL=named.token_NL, codes=codes)
