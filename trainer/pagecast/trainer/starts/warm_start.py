"""Weights of a base model in a model whose vocabulary has grown.

Letters: V values of a table that grows, E entities of the catalog, N new entities, K known ones.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.network.tower import CLOSED
from pagecast.trainer.start_config import StartConfig
from pagecast.trainer.starts.base import Base
from pagecast.trainer.starts.newcomers import begin_newcomers

ZEROS = -1
"""Of a place that takes nothing from the base."""


@torch.no_grad()
def warm_start(
    model: PageModel,
    vocabulary: Vocabulary,
    features: Mapping[str, Tensor],
    base: Base,
    config: StartConfig,
    seed: int,
) -> None:
    """Fills a model of the base's shape with the base's weights; `features` are the catalog's.

    Names the base does not know begin as the fallback of their type: index 0, or nothing where
    unknown names add nothing (people, countries of origin, content embeddings). Entities begin as
    `config` says.
    """
    weights = base.model.state_dict()
    places = _places(base, vocabulary)
    for name, weight in model.state_dict().items():
        if name.startswith("tower.seen_"):
            continue
        if name in places:
            weight.copy_(_taken(weights[name], *places[name]))
        elif name in weights:
            weight.copy_(weights[name])
        else:
            weight.zero_()  # the projection of a content embedding that is new
    _remember(model, features, base)
    begin_newcomers(model, features, len(base.vocabulary.entities), config, seed)


def _taken(weight: Tensor, axis: int, from_V: Tensor) -> Tensor:
    found = weight.index_select(axis, from_V.clamp(min=0))
    shape = [1] * weight.ndim
    shape[axis] = len(from_V)
    return found.masked_fill((from_V == ZEROS).view(shape), 0.0)


def _places(base: Base, vocabulary: Vocabulary) -> dict[str, tuple[int, Tensor]]:
    was = base.vocabulary
    entities = _grown(len(was.entities), len(vocabulary.entities))
    rows = _grown(len(was.rows), len(vocabulary.rows))
    genres = _grown(len(was.genres), len(vocabulary.genres))
    languages = _grown(len(was.languages), len(vocabulary.languages))
    return {
        "fields.weight": (0, _joined(_fields(was, vocabulary))),
        "row_input_RD": (0, rows),
        "row_output_RD": (0, rows),
        "tower.input.id.weight": (0, entities),
        "tower.output.id.weight": (0, entities),
        "tower.genre.weight": (1, genres),
        "tower.origin.name.weight": (0, _grown(len(was.origins), len(vocabulary.origins), ZEROS)),
        "tower.person.name.weight": (0, _grown(len(was.people), len(vocabulary.people), ZEROS)),
        "head.genre.weight": (0, genres),
        "head.language.weight": (0, languages),
        "head.condition.weight": (
            1,
            _joined([(len(was.genres) + 1, genres), (len(was.languages) + 1, languages)]),
        ),
        **dict(_closed(base, vocabulary)),
    }


def _grown(was: int, now: int, new: int = 0) -> Tensor:
    """Of a table with a fallback before its names."""
    return torch.cat([torch.arange(was + 1), torch.full((now - was,), new)])


def _fields(was: Vocabulary, now: Vocabulary) -> Iterator[tuple[int, Tensor]]:
    for before, after in zip(was.field_sizes(), now.field_sizes(), strict=True):
        yield before, _grown(before - 1, after - 1)


def _joined(parts: Iterator[tuple[int, Tensor]] | Sequence[tuple[int, Tensor]]) -> Tensor:
    """Parts that follow each other in one table, each with its length in the base."""
    begin, joined = 0, []
    for size, from_V in parts:
        joined.append(from_V + begin)
        begin += size
    return torch.cat(joined)


def _closed(base: Base, vocabulary: Vocabulary) -> Iterator[tuple[str, tuple[int, Tensor]]]:
    """A year, kind, language... that the base presented as another begins as that one."""
    for name in CLOSED:
        seen: Tensor = getattr(base.model.tower, f"seen_{name}")
        more = len(vocabulary.languages) + 1 - len(seen) if name == "language" else 0
        yield f"tower.{name}.weight", (0, torch.cat([seen, seen.new_zeros(more)]))


def _remember(model: PageModel, features: Mapping[str, Tensor], base: Base) -> None:
    """What the base has seen stays seen, even if the catalog no longer has it."""
    tower = base.model.tower
    model.tower.remember_seen(
        {
            f"{name}_E": torch.cat([features[f"{name}_E"], getattr(tower, f"seen_{name}")])
            for name in CLOSED
        }
    )
