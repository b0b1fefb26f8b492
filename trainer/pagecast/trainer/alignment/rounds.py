"""A run between two rounds: draw groups of pages, judge them, move the policy.

A round depends on the weights, the moments of the optimiser, its number and the seed, and on
nothing that was drawn before. So a checkpoint is just these, and a run that is resumed ends in the
same bytes, as long as its steps end it. If time ends it, learning rates depend on time, too.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.alignment.identity import identity_of
from pagecast.trainer.alignment.likelihood import Features, log_probabilities
from pagecast.trainer.alignment.objective import Group, Told, group_loss
from pagecast.trainer.alignment.policy import Policy, engine_model
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.alignment.rewards import Judge, Rewards, judged
from pagecast.trainer.alignment.rollouts import Rollout, draw_group, page_seed
from pagecast.trainer.batches.epochs import Place
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.fitting.checkpoint import Checkpoint, CheckpointError, Facts
from pagecast.trainer.fitting.identity import differences
from pagecast.trainer.fitting.optimizers import Optimizers
from pagecast.trainer.fitting.schedule import Schedule

GRADIENT_NORM_MAX = 1.0
"""Gradients are clipped to this norm, as in pretraining: one lucky group must not undo the rest."""

WARM_UP = 0.05
"""Share of the run in which the learning rate grows."""


class AlignRun:
    """Champion, policy and optimiser. Raises ValueError if a reward is missing.

    `first` and `last` are the progress of those rounds of the run, even from before it was resumed.
    """

    first: AlignProgress | None = None
    last: AlignProgress | None = None

    def __init__(
        self,
        champion: Policy,
        asks: Sequence[Ask],
        config: AlignConfig,
        rewards: Rewards,
        *,
        judge: Judge | None = None,
        budget_s: float = math.inf,
    ) -> None:
        rewards.check(config)
        self._asks, self._config, self._rewards, self._judge = asks, config, rewards, judge
        self._reference = replace(champion, model=copy.deepcopy(champion.model).eval())
        self.policy = replace(champion, model=copy.deepcopy(champion.model).eval())
        self._features = Features.of(champion)
        with torch.no_grad():
            self._reference_embedded = self._features.embedded(self._reference.model)
        self._optimizers = Optimizers(self.policy.model, _optimizer_config(config))
        self.schedule = Schedule(steps_max=config.steps, budget_s=budget_s, warm_up=WARM_UP)
        self._identity = identity_of(config, champion, asks, rewards.table)

    def step(self) -> AlignProgress:
        """One round: new pages, and `config.updates` steps of the optimiser on them."""
        drawn = list(self._draw())
        own = [judged(pages, self._rewards, self._config) for pages in drawn]
        groups = [
            Group(
                pages=pages,
                advantage_N=one.advantage_N,
                reference_N=self._referred(pages),
            )
            for pages, one in zip(drawn, own, strict=True)
        ]
        rate = self._config.learning_rate * self.schedule.rate()
        told = self._update(groups, rate)
        for _ in range(self._config.updates - 1):
            self._update(groups, rate)
        self.schedule.step += 1
        self.last = self._told(drawn, told, float(np.mean([one.own for one in own])))
        self.first = self.first or self.last
        return self.last

    def _draw(self) -> Iterator[list[Rollout]]:
        """The round's groups, each of a different prompt; each page by a seed of its own."""
        config, step = self._config, self.schedule.step
        rng = np.random.default_rng([config.seed, step])
        count = min(config.prompts_per_step, len(self._asks))
        chosen = rng.choice(len(self._asks), count, replace=False)
        model = engine_model(self.policy)
        for number in chosen.tolist():
            seeds = [page_seed(config.seed, step, number, g) for g in range(config.group_size)]
            yield draw_group(model, self._asks[number], seeds, config.temperature)

    @torch.no_grad()
    def _referred(self, pages: Sequence[Rollout]) -> Tensor:
        temperature = self._config.temperature
        return log_probabilities(self._reference, self._reference_embedded, pages, temperature)

    def _update(self, groups: Sequence[Group], learning_rate: float) -> list[Told]:
        """One step of the optimiser; gradients are summed group by group."""
        self._optimizers.zero_grad()
        told = []
        for group in groups:
            embedded = self._features.embedded(self.policy.model)
            loss, of_group = group_loss(self.policy, embedded, group, self._config, len(groups))
            if not torch.isfinite(loss):
                raise RewardError(
                    f"the loss of round {self.schedule.step} is {float(loss.detach())}: lower"
                    " align.learning_rate, or the size of rewards"
                )
            loss.backward()
            told.append(of_group)
        self._optimizers.clip(GRADIENT_NORM_MAX)
        self._optimizers.step(learning_rate)
        return told

    def _told(
        self, drawn: Sequence[Sequence[Rollout]], told: Sequence[Told], own: float
    ) -> AlignProgress:
        pages = [page for group in drawn for page in group]
        tokens = sum(one.tokens for one in told)
        nll = [one.nll for one in told if one.nll is not None]
        return AlignProgress(
            step=self.schedule.step,
            share_done=self.schedule.share,
            reward=own,
            judged=math.nan if self._judge is None else float(np.mean(self._judge(pages))),
            kl=sum(one.kl for one in told) / tokens,
            nll=float(np.mean(nll)) if nll else 0.0,
            page_tokens=tokens / len(pages),
            eta_s=self.schedule.eta_s,
        )

    def checkpoint(self) -> Checkpoint:
        """What has to be kept to go on from here."""
        weights = self.policy.model.state_dict()
        tensors = {f"model.{name}": tensor for name, tensor in weights.items()}
        facts = Facts(
            identity=self._identity,
            step=self.schedule.step,
            seconds=self.schedule.seconds,
            # Rounds follow from their number: no generator has a state.
            place=Place(begin={}, batches=self.schedule.step, now={}),
            totals={
                key: value
                for name, at in (("first", self.first), ("last", self.last))
                if at is not None
                for key, value in at.to_totals(name).items()
            },
        )
        return Checkpoint(facts=facts, tensors={**tensors, **self._optimizers.state()})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint. Raises CheckpointError if it is of another run."""
        facts = checkpoint.facts
        if told := differences(facts.identity, self._identity):
            raise CheckpointError(f"the checkpoint is of another alignment: {told}")
        prefix = "model."
        self.policy.model.load_state_dict(
            {
                name.removeprefix(prefix): tensor
                for name, tensor in checkpoint.tensors.items()
                if name.startswith(prefix)
            }
        )
        self._optimizers.resume(checkpoint.tensors)
        self.schedule.resume(step=facts.step, seconds=facts.seconds)
        self.first = AlignProgress.from_totals("first", facts.totals)
        self.last = AlignProgress.from_totals("last", facts.totals)


def _optimizer_config(config: AlignConfig) -> TrainConfig:
    """AdamW without decay: the distance to the champion holds the weights."""
    return TrainConfig(learning_rate=config.learning_rate, weight_decay=0.0)
