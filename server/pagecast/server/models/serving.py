"""Step 2 of the life of a page: what new pages are made with, exchanged as one reference.

The catalog follower, the followers of champion and arms and the popularity refresh each make a new
`Serving` beside the old one. A page keeps the one it began with, so model, catalog and rules always
fit each other, and no page waits for a change. The last page that uses an old one frees it.
"""

import threading
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from pagecast.engine.bundles.served_model import ServedBundle, ServedModel, bind
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.parts import Parts
from pagecast.featurestore.catalog.catalog import CatalogFollower
from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.experiments.assignment import (
    ARM_MODEL_NOT_LOADED,
    Experiment,
    draw_arm,
)
from pagecast.featurestore.history.history import STEPS_MAX
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.prompt.context import NO_CONTEXT, ContextConfig, prepare
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.predicates import Indices
from pagecast.server.metrics import Metrics
from pagecast.server.models.succession import Succession
from pagecast.server.models.warming import warm

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What a page is made with. N entities of the snapshot.

    `scores_N` are the popularity scores, `popular` the indices of the entities that have one, best
    first. `model` is bound to the snapshot of `catalog`; None if no champion is loaded.
    `succession` leads to it from the previous champion; a page still made by that one has the new
    one as `successor`. `running` are the experiments, oldest first, `arm_models` the models of
    their arms by alias; `arm` and `degraded` belong to a page, once its user is known.
    """

    catalog: CompiledCatalog
    scores_N: FloatArray
    popular: Indices
    model: ServedModel | None
    running: tuple[Experiment, ...] = ()
    arm_models: Mapping[str, ServedModel] = field(default_factory=dict)
    arm: str = CHAMPION
    degraded: tuple[str, ...] = ()
    succession: Succession | None = None
    successor: ServedModel | None = None

    def drawn_for(self, user_id: str) -> "Serving":
        """What the user's page is made with: the model of the user's arm, if there is one."""
        drawn = draw_arm(self.running, user_id)
        if drawn is None:
            return self
        experiment, alias = drawn
        arm = experiment.label(alias)
        if alias == CHAMPION:
            return replace(self, arm=arm)
        model = self.arm_models.get(alias)
        if model is None:
            return replace(self, arm=arm, degraded=(ARM_MODEL_NOT_LOADED,))
        return replace(self, arm=arm, model=model, succession=None)

    def before_succession(
        self, user_id: str, kept: Callable[[str], bool], idle_s: float
    ) -> "Serving":
        """With the previous champion for a user who has not come over yet (`Succession.stays`)."""
        over, model = self.succession, self.model
        if over is None or model is None or not over.stays(user_id, model.version, kept, idle_s):
            return self
        return replace(self, model=over.before, successor=model)

    @property
    def snapshot(self) -> CatalogSnapshot:
        return self.catalog.snapshot

    @property
    def steps_max(self) -> int:
        """Steps of a prompt: what the model was trained on."""
        return STEPS_MAX if self.model is None else self.model.bundle.steps_max

    @property
    def context(self) -> ContextConfig:
        """What stands between history and request: what the model was trained on."""
        return NO_CONTEXT if self.model is None else self.model.bundle.context


class Servings:
    """Holds the newest `Serving` and follows the catalog. Changes come from several threads."""

    def __init__(self, catalog: CatalogFollower, popularity: Popularity, metrics: Metrics) -> None:
        self._popularity = popularity
        self._metrics = metrics
        self._changing = threading.Lock()
        self._embedded: ServedModel | None = None
        self._embedded_arms: dict[str, ServedModel] = {}
        self._scores = popularity.scores()
        with self._changing:
            catalog.add_listener(self._take_up_catalog)
            snapshot = catalog.snapshot
            scores_N, popular = _popular(self._scores, snapshot)
            self._publish(
                Serving(
                    catalog=CompiledCatalog(snapshot),
                    scores_N=scores_N,
                    popular=popular,
                    model=None,
                )
            )

    @property
    def current(self) -> Serving:
        """Read once a page."""
        return self._current

    def take_up_bundle(
        self,
        bundle: ServedBundle,
        older: ServedModel | None = None,
        parts: Parts | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        """New pages are decoded by `bundle` from now on, except those of the succession. Takes as
        long as embedding the catalog, or what has changed in it since `older`, a model of the same
        bundle that has decoded a page; `parts` is told. With `at_once` everybody comes over now: a
        rollback has its reasons, and most histories are still kept for it.

        Raises EngineError, and changes nothing, if the bundle cannot decode a page.
        """
        parts = parts or Parts()
        model = older
        if model is None or model.snapshot is not self._current.snapshot:
            model = self.warmed(bundle, older, parts)
        with parts.part("exchange"), self._changing:
            self._embedded = self._up_to_date(model)
            before = None if at_once else self._current.model
            succession = None if before is None else Succession.begin(before)
            self._publish(replace(self._current, model=self._embedded, succession=succession))

    def take_up_arm(self, alias: str, bundle: ServedBundle) -> None:
        """New pages of an arm are decoded by `bundle` from now on; see `take_up_bundle`."""
        model = self.warmed(bundle, None, Parts())
        with self._changing:
            self._embedded_arms[alias] = self._up_to_date(model)
            arm_models = {**self._current.arm_models, alias: self._embedded_arms[alias]}
            self._publish(replace(self._current, arm_models=arm_models))

    def set_experiments(self, running: tuple[Experiment, ...], aliases: Set[str]) -> None:
        """New pages are drawn for these; models of arms other than `aliases` are let go."""
        with self._changing:
            serving = self._current
            kept = {a: model for a, model in serving.arm_models.items() if a in aliases}
            if serving.running == running and len(kept) == len(serving.arm_models):
                return
            self._embedded_arms = {a: m for a, m in self._embedded_arms.items() if a in aliases}
            self._publish(replace(serving, running=running, arm_models=kept))

    def end_succession(self) -> None:
        """Lets go of the previous champion once everybody has come over."""
        with self._changing:
            over = self._current.succession
            if over is not None and over.is_over:
                self._publish(replace(self._current, succession=None))

    def refresh_popularity(self) -> None:
        """Raises what the database raises, and leaves the scores as they were."""
        scores = self._popularity.scores()
        with self._changing:
            if scores != self._scores:
                self._scores = scores
                scores_N, popular = _popular(scores, self._current.snapshot)
                self._publish(replace(self._current, scores_N=scores_N, popular=popular))

    def _take_up_catalog(self, snapshot: CatalogSnapshot) -> None:
        """Only what changed is compiled and embedded. Called by the catalog follower's thread."""
        with self._changing:
            older = self._current
            if snapshot is older.snapshot:
                return
            scores_N, popular = _popular(self._scores, snapshot)
            self._publish(
                Serving(
                    catalog=CompiledCatalog(snapshot, older.catalog),
                    scores_N=scores_N,
                    popular=popular,
                    model=self._embed(snapshot),
                    running=older.running,
                    arm_models=self._embed_arms(snapshot),
                    succession=_followed(older.succession, snapshot),
                )
            )

    def warmed(self, bundle: ServedBundle, older: ServedModel | None, parts: Parts) -> ServedModel:
        """A model that has decoded a page. Raises EngineError if it cannot."""
        serving = self._current
        with parts.part("embed"):
            model = bind(bundle, serving.snapshot, older=older)
        with parts.part("warm"):
            warm(model, serving.catalog, serving.popular)
        return model

    def _up_to_date(self, model: ServedModel) -> ServedModel:
        """Bound to the snapshot that serves. Raises EngineError."""
        snapshot = self._current.snapshot
        if model.snapshot is snapshot:
            return model
        return bind(model.bundle, snapshot, older=model)

    def _embed(self, snapshot: CatalogSnapshot) -> ServedModel | None:
        if self._embedded is None:
            return None
        newer = _newer(self._embedded, snapshot)
        self._embedded = newer or self._embedded
        return newer

    def _embed_arms(self, snapshot: CatalogSnapshot) -> dict[str, ServedModel]:
        newer = {alias: _newer(model, snapshot) for alias, model in self._embedded_arms.items()}
        embedded = {alias: model for alias, model in newer.items() if model is not None}
        self._embedded_arms |= embedded
        return embedded

    def _publish(self, serving: Serving) -> None:
        prepare(serving.snapshot)
        self._metrics.name_model("" if serving.model is None else serving.model.version)
        self._metrics.catalog_number.set(serving.snapshot.number)
        self._current = serving


def _newer(model: ServedModel, snapshot: CatalogSnapshot) -> ServedModel | None:
    """None if the entity tower fails on a change: the rules must follow the catalog all the same,
    because retired entities may not be shown. The next change is another attempt."""
    try:
        return bind(model.bundle, snapshot, older=model)
    except EngineError as error:
        _log.error("catalog_not_embedded", number=snapshot.number, error=str(error))
        return None


def _followed(over: Succession | None, snapshot: CatalogSnapshot) -> Succession | None:
    """The succession with a newer catalog; None if it has ended, or the tower fails."""
    if over is None or over.is_over:
        return None
    before = _newer(over.before, snapshot)
    return None if before is None else replace(over, before=before)


def _popular(scores: Mapping[str, float], snapshot: CatalogSnapshot) -> tuple[FloatArray, Indices]:
    """Scores [N] of the snapshot's entities, and the indices of those that have one, best first."""
    scores_N = np.zeros(len(snapshot.entities), np.float32)
    known = [e for e in scores if e in snapshot.entity_index]
    popular = np.array([snapshot.entity_index[e] for e in known], np.int64)
    scores_N[popular] = [scores[e] for e in known]
    return scores_N, popular
