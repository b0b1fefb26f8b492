"""What the model predicts, and what becomes of entities it has never seen.

    python benchmarks/quality.py --state-dir .pagecast            # prequential quality
    python benchmarks/quality.py --state-dir .pagecast --launches # entities hidden from training

Reads a state directory that the demo (or `pagecast publish` and `pagecast ingest`) has filled,
holds out the last tenth of its time, trains on the rest. Nothing in the directory is changed. The
last line of stdout is one JSON object; quality.md keeps the results.
"""

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.predict import predictions
from pagecast.trainer.ranking import CUTOFF, Tally, rank
from pagecast.trainer.replay import UserSteps
from pagecast.trainer.snapshot import Snapshot, Source, positions_before_last
from pagecast.trainer.train import (
    Trained,
    TrainJob,
    TrainProgress,
    evaluate_next_slice,
    fit_snapshot,
)
from pagecast.trainer.users import columns

HELD_OUT = 0.1
"""Share of the timeline that is predicted."""

HIDDEN = 0.05
"""Share of the known entities that are hidden from training, for `--launches`."""

INTERACTIONS_MIN = 20
"""Hidden entities have at least this many steps, so that their real rank means something."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HidingSource(Source):
    """A source whose training part has never seen some entities; its catalog launches them."""

    hidden: frozenset[str]

    def read(
        self, *, until: NextOffsets | None = None, known: NextOffsets | None = None
    ) -> Snapshot:
        snapshot = super().read(until=until, known=known)
        users = snapshot.users
        if known is None:
            users = tuple(self._without_hidden(user) for user in users)
        return dataclasses.replace(
            snapshot, users=users, catalog=_launching(snapshot.catalog, self.hidden)
        )

    def _without_hidden(self, user: UserSteps) -> UserSteps:
        keep = [i for i, s in enumerate(user.steps) if s.entity_id not in self.hidden]
        # Which steps are left decides where a window begins: none here is long enough to drop any.
        return dataclasses.replace(
            user,
            steps=tuple(user.steps[i] for i in keep),
            first_N=np.minimum(user.first_N[: len(keep)], 0),
            cut_N=user.cut_N[keep],
            new_N=user.new_N[keep],
        )


def _launching(catalog: CatalogSnapshot, hidden: frozenset[str]) -> CatalogSnapshot:
    """The hidden entities as if released the moment the catalog named them."""

    def launched(entity: CatalogEntity) -> CatalogEntity:
        if entity.entity_id not in hidden:
            return entity
        return dataclasses.replace(entity, released_at_ms=entity.changed_at_ms)

    return dataclasses.replace(catalog, entities=tuple(map(launched, catalog.entities)))


def quality(source: Source, config: TrainConfig) -> dict[str, object]:
    """NDCG@10 and HR@10 beside the baselines."""
    until = positions_before_last(source.paths, HELD_OUT)
    trained = fit_snapshot(TrainJob(source=source, config=config, until=until), _show)
    began = time.monotonic()
    result = evaluate_next_slice(source, trained)
    return {
        "protocol": result.protocol,
        **_facts(trained),
        "evaluation_seconds": round(time.monotonic() - began, 1),
        **{name: round(value, 4) for name, value in result.metrics().items()},
    }


def launches(source: Source, config: TrainConfig, seed: int) -> dict[str, object]:
    """Where entities stand that training has never seen, beside where it puts them if it has."""
    until = positions_before_last(source.paths, HELD_OUT)
    hidden = _hidden(source.read(until=until), seed)
    told: dict[str, object] = {"hidden_entities": len(hidden)}
    hiding = HidingSource(**vars(source), hidden=hidden)
    for name, reader in (("metadata_only", hiding), ("known", source)):
        trained = fit_snapshot(TrainJob(source=reader, config=config, until=until), _show)
        told[name] = _placement(reader, trained, hidden)
    return told


def _hidden(snapshot: Snapshot, seed: int) -> frozenset[str]:
    counts: dict[str, int] = {}
    for user in snapshot.users:
        for step in user.steps:
            counts[step.entity_id] = counts.get(step.entity_id, 0) + 1
    known = sorted(e for e, count in counts.items() if count >= INTERACTIONS_MIN)
    draw = np.random.default_rng(seed)
    return frozenset(draw.choice(known, int(HIDDEN * len(known)), replace=False).tolist())


def _placement(source: Source, trained: Trained, hidden: frozenset[str]) -> dict[str, float]:
    """Shares of the hidden among what happened and among the ten best; ranks of the hidden."""
    snapshot = source.read(known=trained.positions)
    catalog = snapshot.catalog
    index = [catalog.entity_index[e] for e in hidden if e in catalog.entity_index]
    hidden_N = np.zeros(len(catalog.entities), np.bool_)
    hidden_N[index] = True
    by_user = [columns(user, catalog, trained.config.engagement) for user in snapshot.users]
    tally, ranks, in_best, happened = Tally(), [], [], []
    for prediction in predictions(
        trained.model, trained.vocabulary, catalog, snapshot.users, by_user
    ):
        in_best.append(hidden_N[_best(prediction.score_N, prediction.seen_N)].mean())
        for target in prediction.targets:
            happened.append(target >= 0 and bool(hidden_N[target]))
            if happened[-1]:
                tally.add(prediction.score_N, target, prediction.seen_N)
                ranks.append(rank(prediction.score_N, target, prediction.seen_N))
    return {
        "share_of_catalog": round(float(hidden_N.mean()), 4),
        "share_of_targets": round(float(np.mean(happened)), 4),
        "share_of_ten_best": round(float(np.mean(in_best)), 4),
        "targets": tally.targets,
        "hr_at_10": round(tally.hr, 4),
        "ndcg_at_10": round(tally.ndcg, 4),
        "median_rank": _median(ranks),
    }


def _best(score_N: npt.NDArray[np.float32], seen_N: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    return np.argsort(np.where(seen_N, -np.inf, score_N))[-CUTOFF:]


def _median(ranks: Iterable[int | None]) -> float:
    return float(np.median([np.inf if r is None else r for r in ranks]))


def _facts(trained: Trained) -> dict[str, object]:
    return {
        "users": trained.users,
        "steps": trained.steps,
        "optimizer_steps": trained.fit.steps,
        "epochs": round(trained.fit.epochs, 1),
        "fit_seconds": round(trained.fit.seconds, 1),
        "machine": f"{platform.machine()}, {trained.config.threads} threads",
    }


def _show(at: TrainProgress) -> None:
    if at.fit is not None and at.fit.step % 50 == 0:
        print(
            f"step {at.fit.step}, {at.share_done:.0%}, loss {at.fit.entity_loss:.3f}, rows "
            f"{at.fit.row_loss:.3f}, {at.fit.examples_per_second:.0f} examples/s, "
            f"{at.fit.eta_s:.0f} s left",
            file=sys.stderr,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--state-dir", type=Path, default=Path(".pagecast"))
    parser.add_argument("--budget-minutes", type=float, default=TrainConfig.budget_minutes)
    parser.add_argument("--threads", type=int, default=TrainConfig.threads)
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    parser.add_argument("--launches", action="store_true")
    given = parser.parse_args()
    source = Source(paths=StatePaths(root=given.state_dir))
    config = TrainConfig(
        budget_minutes=given.budget_minutes, threads=given.threads, seed=given.seed
    )
    told = launches(source, config, given.seed) if given.launches else quality(source, config)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
