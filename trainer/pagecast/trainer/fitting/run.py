"""A training in memory: what a step needs, what it changes, and how that is kept."""

import json
import math
import sys
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from pagecast.trainer.batches.epochs import Epochs
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features, row_ids
from pagecast.trainer.data.launches import Launches
from pagecast.trainer.fitting.checkpoint import Checkpoint, CheckpointError, Facts
from pagecast.trainer.fitting.forward import embed
from pagecast.trainer.fitting.identity import differences, identity_of
from pagecast.trainer.fitting.inputs import Inputs, StepInputs
from pagecast.trainer.fitting.meter import Meter, counts
from pagecast.trainer.fitting.optimizers import Optimizers
from pagecast.trainer.fitting.phases import Phase, PostTraining, Pretraining
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.fitting.schedule import Schedule
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.post_training.examples import PostExamples
from pagecast.trainer.semantic.learned import named, spell_with
from pagecast.trainer.starts.base import Start
from pagecast.trainer.starts.touched import touched_rows
from pagecast.trainer.starts.warm_start import warm_start


class Run:
    """A training of one process, or of one of several that step together.

    Raises NothingToTrainError if there is nothing, ValueError if the processes were not given the
    same data and config.
    """

    def __init__(
        self,
        data: Dataset,
        builder: PageBuilder,
        config: TrainConfig,
        processes: Processes,
        start: Start | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self._config, self._processes = config, processes
        self.examples = Examples(data, builder, config)
        self.model = PageModel(config.model, data.vocabulary, dropout=config.dropout).train()
        self.model.decoder.recompute = config.recompute
        features = catalog_features(data.catalog, data.vocabulary)
        moved = self._begin(data, features, start)
        if data.spelled_with is not None:
            spell_with(self.model, data.spelled_with)
            features = named(self.model, features)
        launches = Launches(
            features, launch_rate=config.launch_rate, unknown_rate=config.unknown_rate
        )
        self._inputs = Inputs(features, launches, config.objective)
        if config.objective.negatives or moved:
            self.model.tower.sparse_gradients()
        self._row_ids_R = row_ids(data.catalog, data.vocabulary)
        self._generator = torch.Generator().manual_seed(config.seed)
        self._optimizers = Optimizers(self.model, config, moved)
        self._rng = np.random.default_rng(config.seed)
        self._epochs = Epochs(self.examples, self._rng, processes.share)
        self._phase: Phase = Pretraining(config)
        self.schedule = Schedule(
            steps_max=min(
                math.ceil(config.epochs * self.examples.batches_per_epoch),
                config.steps_max or sys.maxsize,
            ),
            budget_s=config.budget_minutes * 60.0,
            warm_up=config.warm_up,
            post_share=config.post.share,
            clock=processes.clock,
        )
        self.meter = Meter()
        self._identity = identity_of(config, data, self.examples, processes.count, start)
        self._begin_together()

    def _begin(
        self, data: Dataset, features: Mapping[str, Tensor], start: Start | None
    ) -> dict[Tensor, Tensor]:
        """The first weights; returns which rows of which tables may move, if not all."""
        if start is None:
            self.model.tower.remember_seen(features)
            return {}
        told = self._config.start
        warm_start(self.model, data.vocabulary, features, start.base, told, self._config.seed)
        return touched_rows(self.model, data, features) if start.incremental else {}

    def step(self) -> None:
        """One step of the optimiser, on one batch of all processes together."""
        if self.schedule.post_due:
            self._begin_post_training()
        batch = self._epochs.take()
        given = self._inputs.draw(batch, self._generator)
        self._optimizers.zero_grad()
        told = self._backward(given)
        self._descend()
        self._processes.tick()
        counted = self._processes.summed(counts(batch))
        self.meter.read(counted, **self._processes.summed(told))

    def _backward(self, given: StepInputs | None) -> dict[str, float]:
        """Gradients of this process's part of the batch's losses; returns that part, in nats."""
        own = self._phase.weights(None if given is None else given.batch)
        every = self._processes.summed(own)
        if given is None:
            return dict.fromkeys(self._phase.told, 0.0)
        share = {name: own[name] / weight if weight else 0.0 for name, weight in every.items()}
        embedded = embed(self.model, given.features, self._row_ids_R, given.entity_offset_E)
        loss, told = self._phase.loss(self.model, embedded, given, share)
        loss.backward()
        return told

    def _begin_post_training(self) -> None:
        """The same weights, optimiser and generators, other examples and another objective."""
        self.schedule.post = True
        self._phase = PostTraining(self._config)
        self._epochs = Epochs(PostExamples(self.examples), self._rng, self._processes.share)

    def _descend(self) -> None:
        self._optimizers.sum_gradients(self._processes)
        self._optimizers.clip(self._config.gradient_norm_max)
        self._optimizers.step(self._phase.learning_rate * self.schedule.rate())
        self.schedule.step += 1

    def checkpoint(self) -> Checkpoint:
        """What has to be kept to go on from here. All processes must call it together."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= self._optimizers.state()
        tensors["generator.launches_N"] = self._generator.get_state()
        tensors["generator.dropout_WN"] = self._processes.gathered(torch.get_rng_state())
        facts = Facts(
            identity=self._identity,
            step=self.schedule.step,
            seconds=self.schedule.seconds,
            place=self._epochs.place,
            totals=self.meter.totals,
            post=self.schedule.post,
        )
        return Checkpoint(facts=facts, tensors=tensors)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint. Raises CheckpointError if it is of another training."""
        facts, tensors = checkpoint.facts, checkpoint.tensors
        if told := differences(facts.identity, self._identity):
            raise CheckpointError(f"the checkpoint is of another training: {told}")
        self.model.load_state_dict(_below("model.", tensors))
        self._optimizers.resume(tensors)
        self._generator.set_state(tensors["generator.launches_N"])
        # A copy: torch crashes on a view of a row.
        torch.set_rng_state(tensors["generator.dropout_WN"][self._processes.rank].clone())
        if facts.post:
            self._begin_post_training()
        self._epochs.go_to(facts.place)
        self.meter.totals.update(facts.totals)
        self.schedule.resume(step=facts.step, seconds=facts.seconds, post=facts.post)

    def _begin_together(self) -> None:
        """Checks that all processes were given the same; each then drops out other positions."""
        first = self._processes.from_first(json.dumps(self._identity).encode())
        unlike = differences(json.loads(first), self._identity)
        if self._processes.summed({"unlike": float(unlike != "")})["unlike"]:
            told = unlike or "another one was given something else"
            raise ValueError(f"processes that train together must be given the same: {told}")
        if not self._processes.first:
            torch.manual_seed(self._config.seed + self._processes.rank)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
