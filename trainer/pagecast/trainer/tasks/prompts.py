"""Point-in-time prompts of a task's rows: of strictly earlier events, as a server would have had.

Letters: X rows, U prompts, B prompts of a batch, T positions, F fields, D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.featurestore.prompt.point_in_time import AtMoment, histories_as_of
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.batches.openings import POSITIONS_TOGETHER
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.tasks.rows import TaskError, TaskRow

NOTHING = -1
"""`entity_T` where a position has no entity of the catalog."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskPrompt:
    """A prompt in a model's numbers; entities are catalog indices."""

    entity_T: npt.NDArray[np.int64]
    fields_TF: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entity_T)


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskPrompts:
    """Each prompt once: rows of one user and moment share it. `prompt_X` is each row's."""

    prompts: Sequence[TaskPrompt]
    prompt_X: npt.NDArray[np.int64]
    strangers: int
    """Prompts without any history: the log has nothing of the user before the moment."""


def prompts_of(
    source: Source, rows: Sequence[TaskRow], catalog: CatalogSnapshot, vocabulary: Vocabulary
) -> TaskPrompts:
    """Raises TaskError without a log.

    What a row does not tell of the request (device, country, language, surface) is as in the
    user's newest step. The catalog is the newest, as in training.
    """
    once = dict.fromkeys((row.user_id, row.at_ms) for row in rows)
    asked = {key: number for number, key in enumerate(once)}
    log = OfflineLog(source.paths.offline)
    topic_id = _newest_log(log)
    moments = [AtMoment(user_id, topic_id, at_ms) for user_id, at_ms in asked]
    profiles = _profiles(source, [user_id for user_id, _ in asked])
    index, made, strangers = catalog.entity_index, dict[int, TaskPrompt](), 0
    for number, history in histories_as_of(log, moments, fold=source.fold):
        moment = moments[number]
        strangers += not history.steps
        profile = profiles.get(moment.user_id, Profile())
        prompt = build_prompt(
            history,
            # What became known of a user later is not in an earlier prompt.
            profile if profile.occurred_at_ms <= moment.at_ms else Profile(),
            _request(history, moment.at_ms),
            catalog=catalog,
            context=vocabulary.context,
        )
        encoded = encode_prompt(prompt, vocabulary)
        made[number] = TaskPrompt(
            entity_T=np.array([index.get(e, NOTHING) for e in encoded.entity_ids], np.int64),
            fields_TF=encoded.fields_TF,
        )
    return TaskPrompts(
        prompts=[made[number] for number in range(len(asked))],
        prompt_X=np.array([asked[row.user_id, row.at_ms] for row in rows], np.int64),
        strangers=strangers,
    )


def _request(history: History, at_ms: int) -> RequestHalf:
    if not history.steps:
        return RequestHalf(at_ms=at_ms)
    newest = history.steps[-1]
    return RequestHalf(
        at_ms=at_ms,
        device=newest.device,
        country=newest.country,
        language=newest.language,
        surface=newest.surface,
    )


def _newest_log(log: OfflineLog) -> str:
    """A log that began again began every history again: the one with the newest event counts."""
    events: pa.Table = log.scan(["occurred_at"])
    if not len(events):
        raise TaskError("offline log: no events; publish events and ingest them")
    newest = pc.index(events["occurred_at"], pc.max(events["occurred_at"])).as_py()
    return str(events["topic_id"][newest].as_py())


def _profiles(source: Source, user_ids: Sequence[str]) -> dict[str, Profile]:
    if source.read_profiles is None:
        return {}
    return dict(source.read_profiles(sorted(set(user_ids))))


def batches(prompts: Sequence[TaskPrompt]) -> Iterator[list[int]]:
    """Numbers of prompts of about one length, as many as one forward pass takes."""
    batch: list[int] = []
    for number in sorted(range(len(prompts)), key=lambda number: len(prompts[number])):
        if batch and (len(batch) + 1) * (len(prompts[number]) + 1) > POSITIONS_TOGETHER:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def padded(prompts: Sequence[TaskPrompt], entity_input_ED: Tensor) -> tuple[Tensor, ...]:
    """`entity_BTD`, `fields_BTF`, `length_B`: the inputs of `encoders.UserEncoder`."""
    longest = max(map(len, prompts))
    whole = [_longer(prompt, longest) for prompt in prompts]
    entity_BT = torch.from_numpy(np.stack([prompt.entity_T for prompt in whole]))
    fields_BTF = torch.from_numpy(np.stack([prompt.fields_TF for prompt in whole]))
    table_ED = torch.nn.functional.pad(entity_input_ED, (0, 0, 1, 0))
    entity_BTD = torch.nn.functional.embedding(entity_BT + 1, table_ED)
    return entity_BTD, fields_BTF, torch.tensor([len(prompt) for prompt in prompts])


def _longer(prompt: TaskPrompt, length: int) -> TaskPrompt:
    more = length - len(prompt)
    return replace(
        prompt,
        entity_T=np.pad(prompt.entity_T, (0, more), constant_values=NOTHING),
        fields_TF=np.pad(prompt.fields_TF, ((0, more), (0, 0))),
    )
