"""Users' steps in a model's numbers.

Letters: N steps of a user, T positions of a window, F fields, C cuts of a window.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.history.summary import NOTHING, Summary, summarise
from pagecast.featurestore.prompt.compression import STEPS_OF_A_GROUP, steps_compressed
from pagecast.featurestore.prompt.context import NO_CONTEXT, ContextConfig, inject
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.featurestore.prompt.vocabulary import FIELDS, Vocabulary
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.data.replay import LeftBehind, UserSteps


@dataclass(frozen=True, kw_only=True, eq=False)
class OldSteps:
    """The oldest steps of a window as far as a model compresses them: G groups of M."""

    entity_GM: npt.NDArray[np.int64]
    fields_GMF: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entity_GM)


NO_OLD_STEPS = OldSteps(
    entity_GM=np.zeros((0, STEPS_OF_A_GROUP), np.int64),
    fields_GMF=np.zeros((0, STEPS_OF_A_GROUP, len(FIELDS)), np.int64),
)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Steps that share their oldest one, so that one encoding serves all their prompts.

    The prompt of a request at the time of step `first + c` ends at position `request(c)`, which is
    that step's own. `entity_T` holds catalog indices, -1 for none. `summary` is of what had left
    the window: what stands between history and request is made of it (`batches.tails`).
    Each group of `old` steps has one position behind the profile's.
    """

    user: int
    first: int
    entity_T: npt.NDArray[np.int64]
    fields_TF: npt.NDArray[np.int64]
    cuts_C: npt.NDArray[np.int64]
    summary: Summary = NOTHING
    old: OldSteps = NO_OLD_STEPS

    def request(self, cut: int) -> int:
        """The position of the request at a cut."""
        return cut + 1 - self.old.entity_GM.size + len(self.old)


@dataclass(frozen=True, kw_only=True)
class UserColumns:
    """A user's steps as columns: what pages are built from."""

    entity_N: npt.NDArray[np.int64]
    weight_N: npt.NDArray[np.float32]
    at_ms_N: npt.NDArray[np.int64]
    begins_N: npt.NDArray[np.bool_]
    completes_N: npt.NDArray[np.bool_]

    def next_entities(self, cut: int, steps: int, count: int | None = None) -> dict[int, float]:
        """Weights of the entities chosen in the next `steps` after a cut, nearest first.

        At most `count` of them; an entity counts once, by its first choice.
        """
        entities: dict[int, float] = {}
        until = cut + steps
        for entity, weight in zip(
            self.entity_N[cut:until].tolist(), self.weight_N[cut:until].tolist(), strict=True
        ):
            if entity >= 0 and weight > 0 and entity not in entities:
                entities[entity] = weight
                if len(entities) == count:
                    break
        return entities

    def begun(self, cut: int) -> npt.NDArray[np.int64]:
        """Entities that were begun before a cut and not completed since."""
        told_K = np.flatnonzero(self.begins_N[:cut] | self.completes_N[:cut])[::-1]
        entity_U, newest_U = np.unique(self.entity_N[told_K], return_index=True)
        begun: npt.NDArray[np.int64] = entity_U[self.begins_N[told_K[newest_U]]]
        return begun


_PLAYS = frozenset({Action.PLAY_FEATURE, Action.PLAY_LIVE})


def begins(action: int, watched_ms: int) -> bool:
    """Whether a step leaves its entity half watched: by a play, or by any time that was watched.

    A merged step keeps its strongest action, so that a play may be told by its time alone.
    """
    return action != Action.COMPLETE and (action in _PLAYS or watched_ms > 0)


def columns(user: UserSteps, catalog: CatalogSnapshot, config: EngagementConfig) -> UserColumns:
    """Looks every step up in the catalog and weighs it as a target."""
    by_action = config.by_action()
    index = catalog.entity_index
    return UserColumns(
        entity_N=np.array([index.get(s.entity_id, -1) for s in user.steps], np.int64),
        weight_N=np.array([_engagement(s, by_action, config) for s in user.steps], np.float32),
        at_ms_N=np.array([s.occurred_at_ms for s in user.steps], np.int64),
        begins_N=np.array([begins(s.action, s.watched_ms) for s in user.steps], np.bool_),
        completes_N=np.array([s.action == Action.COMPLETE for s in user.steps], np.bool_),
    )


def windows(
    number: int,
    user: UserSteps,
    cuts: Sequence[int],
    catalog: CatalogSnapshot,
    vocabulary: Vocabulary,
    compress_keep: int = 0,
) -> Iterator[Window]:
    """One window for each oldest step and profile among the prompts of `cuts` (growing).

    One more for each block of old steps that a model with `compress_keep` compresses: they
    overlap, and a cut is in the one that compresses what its prompt does.
    """
    alike: dict[tuple[int, bool, int], list[int]] = {}
    for cut in cuts:
        first = int(user.first_N[cut])
        old = steps_compressed(cut - first, compress_keep)
        alike.setdefault((first, _profile_known(user, cut), old), []).append(cut)
    for (first, _, old), members in alike.items():
        prompt = prompt_at(user, members[-1], catalog)
        encoded = encode_prompt(replace(prompt, summary=NOTHING), vocabulary)
        index = catalog.entity_index
        whole = Window(
            user=number,
            first=first,
            entity_T=np.array([index.get(e, -1) for e in encoded.entity_ids], np.int64),
            fields_TF=encoded.fields_TF,
            cuts_C=np.array(members, np.int64) - first,
            summary=prompt.summary,
        )
        yield compressed(whole, old) if old else whole


def compressed(window: Window, old: int) -> Window:
    """Groups the `old` oldest steps; what stands at their positions has no meaning."""
    groups = old // STEPS_OF_A_GROUP
    shape, oldest = (groups, STEPS_OF_A_GROUP), slice(1, 1 + old)
    beyond = slice(1 + groups, 1 + old)
    return replace(
        window,
        entity_T=np.delete(window.entity_T, beyond),
        fields_TF=np.delete(window.fields_TF, beyond, axis=0),
        old=OldSteps(
            entity_GM=window.entity_T[oldest].reshape(shape),
            fields_GMF=window.fields_TF[oldest].reshape(*shape, -1),
        ),
    )


def prompt_at(
    user: UserSteps, cut: int, catalog: CatalogSnapshot, context: ContextConfig = NO_CONTEXT
) -> Prompt:
    """The prompt of a request made at the moment step `cut` began, in that step's context."""
    first = int(user.first_N[cut])
    step = user.steps[cut]
    request = RequestHalf(
        at_ms=step.occurred_at_ms,
        device=step.device,
        country=step.country,
        language=step.language,
        surface=step.surface,
    )
    profile = user.profile if _profile_known(user, cut) else Profile()
    return Prompt(
        profile=profile,
        steps=user.steps[first:cut],
        request=request,
        summary=summarise(*user.left_behind.get(first, LeftBehind()), catalog),
        injected=inject(catalog, at_ms=step.occurred_at_ms, country=step.country, config=context),
    )


def _profile_known(user: UserSteps, cut: int) -> bool:
    """What became known of a user after a request is not in its prompt."""
    return user.profile.occurred_at_ms <= user.steps[cut].occurred_at_ms


def _engagement(step: Step, by_action: Mapping[Action, float], config: EngagementConfig) -> float:
    weight = by_action.get(step.action, 0.0)
    if weight and step.rating is not None:
        weight = max(config.weight_min, weight + config.rating_slope * (step.rating - 3.0))
    return weight
