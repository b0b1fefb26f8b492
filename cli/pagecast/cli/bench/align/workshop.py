"""Makes what contenders of one seed are made from, and once what several of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.telling import Told, nobody
from pagecast.cli.bench.align.trainings import KeptTrainings
from pagecast.cli.bench.align.visits import Visits, visited
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.bundles.served_model import ServedBundle
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.simulator.run_config import RunConfig
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.learned import RewardModels, train_reward_models
from pagecast.trainer.alignment.members import learned_from
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.job import Trained, TrainProgress
from pagecast.trainer.overrides import overridden
from pagecast.trainer.pages.shown import Shown, ShownPage
from pagecast.trainer.starts.base import Start
from pagecast.trainer.train import fit_on

Overrides = Mapping[str, JsonValue]
"""Values of a training's config by dotted name."""

PASSES_MINUTES_MAX = 600.0
"""So long that passes end a training, not time: a busy machine changes no figure."""

LOG_SEED = 1_000
"""Added to the seed for the members whose pages are learned from: they differ from those who judge,
with luck of their own."""

LOG_MEMBERS_MIN = 100
"""Fewest members who make the log: smaller halves have too few pages for a reward model. With 60
and a hardly trained model, it happened that nothing was liked."""

REWARD = RewardConfig()


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is done: `passes` of pretraining, `rounds` of reinforcement learning."""

    members: int
    days: int
    passes: float
    rounds: int = AlignConfig().steps


class Workshop:
    """For one seed and one thread; its bundles lie below `folder`.

    `kept` is where trainings resume from; `told` is told what is being done, and how far it is.
    """

    def __init__(
        self,
        data: ArenaData,
        seed: int,
        effort: Effort,
        folder: Path,
        *,
        kept: KeptTrainings | None = None,
        told: Told = nobody,
    ) -> None:
        self.data, self.seed, self.effort, self._folder = data, seed, effort, folder
        self.kept, self.told = kept or KeptTrainings(), told
        self._pretrained: dict[str, Trained] = {}

    def config(self, overrides: Overrides) -> TrainConfig:
        """The default training with this seed, the effort's passes and these overrides."""
        told: Overrides = {
            "seed": self.seed,
            "epochs": self.effort.passes,
            "threads": 1,
            "budget_minutes": PASSES_MINUTES_MAX,
            **overrides,
        }
        return overridden(TrainConfig(), told)

    def pretrained(self, overrides: Overrides) -> Trained:
        """A pretrained model, shared by configs that differ only in post-training."""
        config = self.config({k: v for k, v in overrides.items() if not k.startswith("post.")})
        key = repr(config)  # it holds a table, so it has no hash
        if key not in self._pretrained:
            # Most contenders begin with the default one; any other belongs to one contender.
            keep = self.kept.shared if config == self.config({}) else self.kept.own
            self._pretrained[key] = fit_on(
                self.data.snapshot, config, self._progress("pretraining"), keep("pretrained", key)
            )
        return self._pretrained[key]

    def post_trained(
        self, snapshot: Snapshot, config: TrainConfig, shown: Shown, start: Start | None
    ) -> Trained:
        """A training of the contender that is being made."""
        place = self.kept.own("post-trained", (config, self.effort, start is None))
        return fit_on(snapshot, config, self._progress("post-training"), place, shown, start)

    def _progress(self, what: str) -> Callable[[TrainProgress], None]:
        return lambda at: self.told(what, at.share_done)

    def exported(self, trained: Trained) -> Bundle:
        """The bundle that would serve the model."""
        facts = BundleFacts(data={}, metrics={}, config=trained.config.to_json())
        manifest = write_bundle(self._folder, trained.model, trained.vocabulary, facts)
        return load_bundle(self._folder / manifest.version)

    def visits(self, bundle: ServedBundle | None, *, logging: bool = False) -> Visits:
        """By the members who judge, or by those who make the log."""
        effort = self.effort
        config = RunConfig(
            members=max(effort.members, LOG_MEMBERS_MIN) if logging else effort.members,
            days=effort.days,
            seed=self.seed + LOG_SEED if logging else self.seed,
            prefix="log" if logging else "sim",
            start_ms=self.data.start_ms,
            readers=1,
            reaction_members=0,
        )
        what = "members make the log" if logging else "members visit"
        return visited(bundle, self.data, config, lambda share: self.told(what, share))

    @cached_property
    def pretrained_bundle(self) -> Bundle:
        return self.exported(self.pretrained({}))

    @cached_property
    def log(self) -> Visits:
        """Pages of the pretrained model, and what members made of them."""
        return self.visits(self.pretrained_bundle, logging=True)

    @property
    def lessons(self) -> tuple[ShownPage, ...]:
        """The pages of the half of the log's members that every method learns from."""
        salt = AlignConfig().reward.salt
        return tuple(page for page in self.log.pages if learned_from(page.user_id, salt))

    @cached_property
    def champion(self) -> Policy:
        """The model that is aligned, with the log's catalog."""
        trained = self.pretrained({})
        return Policy(model=trained.model, vocabulary=trained.vocabulary, catalog=self.log.catalog)

    @cached_property
    def reward_models(self) -> RewardModels:
        """Trained on one half of the log's members, and compared on the other."""
        champion = self.champion
        self.told("reward models", 0.0)
        with threads(1):
            return train_reward_models(
                champion, self.log.pages, self.align_config(AlignConfig()), REWARD
            )

    def align_config(self, recipe: AlignConfig) -> AlignConfig:
        """A recipe with this seed and the effort's rounds; reward models are the same in all."""
        return replace(
            recipe,
            seed=self.seed,
            steps=self.effort.rounds,
            reward=replace(AlignConfig().reward, seed=self.seed),
        )
