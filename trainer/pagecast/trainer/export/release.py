"""A release's embeddings: published in the axes of the one before, and how far they moved.

Step 6 of the life of a model. The release before is the champion, which is what others read
embeddings of; without one, the model that the training began from.

Letters: E entities, U users, C common entities, O width of embeddings, P of published ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog
import torch
from pydantic import JsonValue

from pagecast.engine.errors import BundleError
from pagecast.engine.graph import FloatArray
from pagecast.engine.vectors.stabilisation import Stabilisation, load_stabilisation
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.batches.openings import Openings, together
from pagecast.trainer.data.dataset import catalog_features, row_ids
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.export.drift import mean_cosine, moved
from pagecast.trainer.export.stable_embeddings import canonical, rotated, rotation
from pagecast.trainer.fitting.forward import embed
from pagecast.trainer.network.model import PageModel

USERS_MAX = 512
"""Users whose embeddings say what the axes are: more than most models are wide, yet only seconds of
forward passes."""

COMMON_SHARE = 0.5
"""Of the entities with an ID. Fewer common ones than this, and fewer than the embeddings are wide,
leave most of the rotation to chance."""

FIRST = "there is no champion yet"
"""Why the first model's embeddings are compared with none."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Release:
    """A published model, and the map its embeddings are published through."""

    version: str
    model: PageModel
    vocabulary: Vocabulary
    stabilisation: Stabilisation


@dataclass(frozen=True, kw_only=True)
class Before:
    """The release before, or why there is none to compare with."""

    release: Release | None = None
    why_none: str = ""

    @classmethod
    def find(cls, registry: Registry, bundles: Path, base_version: str) -> "Before":
        """The champion, or the base if there is no champion; says so if its bundle is gone."""
        champion = registry.resolve(CHAMPION)
        version = champion.version if champion is not None else base_version
        if not version:
            return cls(why_none=FIRST)
        try:
            model, vocabulary, _ = load_model(bundles / version)
            if model.config.semantic:
                return cls(why_none=f"{version} spells entities in semantic IDs")
            stabilisation = load_stabilisation(bundles / version)
        except (BundleError, KeyError, RuntimeError, TypeError, ValueError) as error:
            told = str(error).splitlines()[0]
            return cls(why_none=f"the bundle of {version} cannot be read: {told}")
        return cls(
            release=Release(
                version=version, model=model, vocabulary=vocabulary, stabilisation=stabilisation
            )
        )


@dataclass(frozen=True, kw_only=True)
class Stabilised:
    """The map of a new release. `facts` and `metrics` are for manifest and registry."""

    stabilisation: Stabilisation
    facts: dict[str, JsonValue]
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Own:
    """A model's own embeddings: of entities with an ID by their id, of the sampled users."""

    entity_EO: FloatArray
    place: Mapping[str, int]
    user_UO: FloatArray


def some_of(users: Sequence[UserSteps]) -> tuple[UserSteps, ...]:
    """At most USERS_MAX of those with a history, evenly spread over all of them."""
    known = [user for user in users if len(user.steps) > 1]
    return tuple(known[:: max(1, -(-len(known) // USERS_MAX))])


def stabilise(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
    before: Before,
) -> Stabilised:
    """The map through which a new model's embeddings are published.

    Where they cannot be compared with the release before, they begin a line of their own, in their
    canonical axes, and `facts` tells why. `users` are asked for their embeddings.
    """
    if model.config.semantic:
        width = model.config.output_width
        return _begins(Stabilisation.identity(width), "entities that are spelled have no embedding")
    now = own_embeddings(model, vocabulary, catalog, users)
    if not (np.isfinite(now.entity_EO).all() and np.isfinite(now.user_UO).all()):
        # No graph of such a model equals torch: its export is refused, and says so.
        return _begins(Stabilisation.identity(now.user_UO.shape[1]), "they are not finite")
    own = canonical(now.entity_EO, now.user_UO)
    release, why_none = before.release, before.why_none
    if release is not None and release.stabilisation.width != own.width:
        width = release.stabilisation.width
        why_none = f"embeddings of {release.version} are {width} wide, these {own.width}"
    if release is None or why_none:
        return _begins(own, why_none)
    then = own_embeddings(release.model, release.vocabulary, catalog, users)
    common = [name for name in now.place if name in then.place]
    if len(common) < min(own.width, COMMON_SHARE * max(len(now.place), 1)):
        told = f"only {len(common)} of {len(now.place)} entities were in {release.version}"
        return _begins(own, told)
    now_CO = now.entity_EO[[now.place[name] for name in common]]
    then_CO = then.entity_EO[[then.place[name] for name in common]]
    before_CP = release.stabilisation.entities(then_CO)
    found = rotated(own, rotation(own.entities(now_CO), before_CP))
    facts: dict[str, JsonValue] = {"towards": release.version, "entities": len(common), "told": ""}
    metrics = _entities_moved(found.entities(now_CO), now_CO, before_CP)
    metrics |= _users_moved(found, now.user_UO, release.stabilisation.users(then.user_UO))
    return Stabilised(stabilisation=found, facts=facts, metrics=metrics)


def _begins(own: Stabilisation, why: str) -> Stabilised:
    """No orthogonal map is applied: what was fitted to older embeddings must be fitted again."""
    tell = _log.info if why == FIRST else _log.warning
    tell("embeddings_begin_anew", reason=why)
    return Stabilised(stabilisation=own, facts={"towards": "", "entities": 0, "told": why})


@torch.no_grad()
def own_embeddings(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
) -> Own:
    embedded = embed(model, catalog_features(catalog, vocabulary), row_ids(catalog, vocabulary))
    known = [e.entity_id for e in catalog.entities if e.entity_id in vocabulary.entity_ids]
    entity_ED = embedded.entity_output_ED[[catalog.entity_index[name] for name in known]]
    asked = Openings(model, vocabulary, catalog)
    user_UO = np.zeros((len(users), entity_ED.shape[1]), np.float32)
    openings = [
        opening
        for number, user in enumerate(users)
        for opening in asked.of(number, user, {len(user.steps) - 1: number})
    ]
    for batch in together(openings):
        numbers = [number for opening in batch for number in opening.requests]
        user_UO[numbers] = asked.states(embedded, batch).numpy()
    return Own(
        entity_EO=entity_ED.numpy(), place={n: i for i, n in enumerate(known)}, user_UO=user_UO
    )


def _entities_moved(
    now_CP: FloatArray, unmapped_CO: FloatArray, before_CP: FloatArray
) -> dict[str, float]:
    """With the map, and as if this release had been published without any."""
    if len(now_CP) < 2:
        return {}
    mapped, unmapped = moved(now_CP, before_CP), moved(unmapped_CO, before_CP)
    return {
        "drift_cosine": mapped.cosine,
        "drift_cosine_unmapped": unmapped.cosine,
        "drift_neighbours_at_10": mapped.neighbours,
        "drift_neighbours_at_10_unmapped": unmapped.neighbours,
        "drift_own_neighbours_at_10": mapped.own_neighbours,
    }


def _users_moved(
    found: Stabilisation, user_UO: FloatArray, before_UP: FloatArray
) -> dict[str, float]:
    if not len(user_UO):
        return {}
    return {
        "drift_users_cosine": mean_cosine(found.users(user_UO), before_UP),
        "drift_users_cosine_unmapped": mean_cosine(user_UO, before_UP),
    }
