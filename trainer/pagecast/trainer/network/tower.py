"""The entity tower: an ID and metadata become an input and an output embedding.

Letters: E entities, D width, G genres, A age features, O countries of origin and P people of an
entity, W either, C dimensions of all content embeddings, N their names, M what is mixed (ID,
metadata).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pagecast.featurestore.prompt.vocabulary import MATURITY_BUCKETS, YEARS, Vocabulary
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.semantic.tokens import SemanticTokens

FEATURES = (
    "id_E", "kind_E", "genres_EG", "year_E", "language_E", "maturity_E", "age_EA",
    "origins_EO", "people_EP", "content_EC", "has_content_EN",
)  # fmt: skip
"""Inputs of the tower, as `pagecast.featurestore.prompt.vocabulary.entity_features` makes them."""

KINDS = 8
"""Room for kinds of entities; the contract names four."""

INITIAL_STD = 0.02

CLOSED = ("kind", "year", "language", "maturity")
"""Features whose values, if training never saw them, are presented as another one."""


class EntityTower(nn.Module):
    """Mixes ID and metadata by attention on the entity's age (docs/papers.md 1.6 and 3.1).

    ID 0 is the fallback: entities outside the vocabulary differ by their metadata only. A kind,
    language, maturity or genre that training never saw is presented as the unknown one, which
    random replacement trains, and a year as the nearest seen one; otherwise a launch of a new kind
    would be moved by an untrained vector. Countries of origin, people and content embeddings that
    are missing or unknown add nothing.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        d_model = config.d_model
        self.semantic = config.semantic
        if self.semantic:
            self.codes = SemanticTokens(config, len(vocabulary.entities))
        else:
            self.input = _Mix(len(vocabulary.entities) + 1, config, d_model)
            self.output = _Mix(len(vocabulary.entities) + 1, config, config.output_width)
        self.kind = nn.Embedding(KINDS, d_model)
        self.genre = nn.Linear(len(vocabulary.genres) + 1, d_model, bias=False)
        self.year = nn.Embedding(YEARS, d_model)
        self.language = nn.Embedding(len(vocabulary.languages) + 1, d_model)
        self.maturity = nn.Embedding(MATURITY_BUCKETS, d_model)
        self.age = nn.Linear(2, d_model)
        self.hidden = nn.Linear(d_model, d_model)
        self.norm = nn.RMSNorm(d_model, eps=1e-6)
        self.origin = _NameSum(len(vocabulary.origins), d_model)
        self.person = _NameSum(len(vocabulary.people), d_model)
        self.content = _Content(vocabulary.embeddings, d_model)
        for name in CLOSED:
            table: nn.Embedding = getattr(self, name)
            self.register_buffer(f"seen_{name}", torch.arange(table.num_embeddings))

    def metadata_layers(self) -> list[nn.Module]:
        """The layers of `metadata`."""
        own = ("input", "output", "codes")
        return [layer for name, layer in self.named_children() if name not in own]

    def sparse_gradients(self) -> None:
        """Tables of names get gradients of the rows a batch has, not of every row.

        Those are the tables that grow with the catalog.
        """
        for table in (self.input.id, self.output.id, self.person.name):
            table.sparse = True

    def remember_seen(self, features: Mapping[str, Tensor]) -> None:
        """Fixes which kinds, years, languages and maturities of training will count as known.

        A year between or beyond the seen ones becomes the nearest seen one, anything else the
        unknown one.
        """
        for name in CLOSED:
            table: Tensor = getattr(self, f"seen_{name}")
            seen = torch.unique(features[f"{name}_E"])
            seen = seen[seen > 0]
            table.zero_()
            table[seen] = seen
            if name == "year" and len(seen):
                distance_YS = (torch.arange(1, YEARS)[:, None] - seen).abs()
                table[1:] = seen[distance_YS.argmin(1)]

    def forward(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Returns `input_ED` and `output_ED`; the latter is `ModelConfig.output_width` wide.

        With semantic IDs an entity is what its codes are (`token_EL`) and has no output embedding:
        `output_ED` is of width 0.
        """
        if self.semantic:
            merged_ED = self.codes.merged(features["token_EL"])
            return merged_ED, merged_ED[:, :0]
        metadata_ED = self.metadata(features)
        id_E, age_EA = features["id_E"], features["age_EA"]
        return self.input(id_E, metadata_ED, age_EA), self.output(id_E, metadata_ED, age_EA)

    def fused(self, features: Mapping[str, Tensor]) -> Tensor:
        """`fused_ES`: where entities would stand, by what is known of them, among coded ones.

        An entity's age is left out: its ID does not change with it.
        """
        ageless = {**features, "age_EA": features["age_EA"] * 0.0}
        fused_ES: Tensor = self.codes.to_fused(self.metadata(ageless))
        return fused_ES

    def metadata(self, features: Mapping[str, Tensor]) -> Tensor:
        """`metadata_ED`: what is known of entities besides their IDs."""
        genres_EG = features["genres_EG"]
        weight_E1 = genres_EG.sum(1, keepdim=True).clamp(min=1.0).rsqrt()
        summed_ED = self.genre(genres_EG * weight_E1) + self.age(features["age_EA"] * 0.1)
        for name in CLOSED:
            seen: Tensor = getattr(self, f"seen_{name}")
            summed_ED = summed_ED + getattr(self, name)(seen[features[f"{name}_E"]])
        for names, indices in ((self.origin, "origins_EO"), (self.person, "people_EP")):
            summed_ED = summed_ED + names(features[indices])
        summed_ED = self.content(summed_ED, features["content_EC"], features["has_content_EN"])
        normed_ED: Tensor = self.norm(summed_ED)
        return nn.functional.silu(self.hidden(normed_ED)) + normed_ED


class _NameSum(nn.Module):
    """Sums the embeddings of an entity's names, so that many names weigh no more than one would.

    Index 0 is no name. Indices rather than a column for each name: there are thousands of people.
    """

    def __init__(self, names: int, d_model: int) -> None:
        super().__init__()
        self.name = nn.Embedding(names + 1, d_model)

    def forward(self, indices_EW: Tensor) -> Tensor:
        known_EW = (indices_EW > 0).to(self.name.weight.dtype)
        weight_EW = known_EW * known_EW.sum(1, keepdim=True).clamp(min=1.0).rsqrt()
        summed_ED: Tensor
        if torch.compiler.is_exporting():  # a bag becomes a loop over the entities
            summed_ED = (weight_EW[:, None] @ self.name(indices_EW))[:, 0]
        else:  # ...and without it, a catalog's names would be held one by one
            summed_ED = nn.functional.embedding_bag(
                indices_EW,
                self.name.weight,
                per_sample_weights=weight_EW,
                mode="sum",
                sparse=self.name.sparse,
            )
        return summed_ED


class _Content(nn.Module):
    """Adds a projection of each content embedding that an entity has."""

    def __init__(self, embeddings: Sequence[tuple[str, int]], d_model: int) -> None:
        super().__init__()
        self.sizes = [dimensions for _, dimensions in embeddings]
        self.projections = nn.ModuleList(nn.Linear(size, d_model) for size in self.sizes)

    def forward(self, summed_ED: Tensor, content_EC: Tensor, has_content_EN: Tensor) -> Tensor:
        """Masks the projections, so that a catalog's embeddings are not copied to hide one."""
        begin = 0
        for column, projection in enumerate(self.projections):
            vector_EC = content_EC[:, begin : begin + self.sizes[column]]
            summed_ED = summed_ED + projection(vector_EC) * has_content_EN[:, column, None]
            begin += self.sizes[column]
        return summed_ED


class _Mix(nn.Module):
    """One side (input or output) of the tower; the two share only the metadata's hidden layer.

    `width` is that of its embeddings.
    """

    def __init__(self, ids: int, config: ModelConfig, width: int) -> None:
        super().__init__()
        age_dim = config.age_dim
        self.id = nn.Embedding(ids, width)
        self.metadata = nn.Linear(config.d_model, width, bias=False)
        self.query = nn.Sequential(nn.Linear(2, age_dim), nn.Tanh(), nn.Linear(age_dim, age_dim))
        self.key = nn.Linear(width, age_dim)

    def forward(self, id_E: Tensor, metadata_ED: Tensor, age_EA: Tensor) -> Tensor:
        values_EMD = torch.stack([self.id(id_E), self.metadata(metadata_ED)], dim=1)
        scores_EM = (self.key(values_EMD) * self.query(age_EA * 0.1)[:, None]).sum(-1)
        mixed_ED: Tensor = (torch.softmax(scores_EM, dim=1)[..., None] * values_EMD).sum(1)
        return mixed_ED
