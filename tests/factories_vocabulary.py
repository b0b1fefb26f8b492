"""A small vocabulary with something of every sort."""

from pagecast.featurestore.prompt.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    entities=("a", "b"),
    entity_interactions=(7, 0),
    rows=("a", "b"),
    genres=("Drama", "Comedy"),
    languages=("a", "b"),
    countries=("a", "b"),
    devices=("a", "b"),
    surfaces=("a", "b"),
    origins=("DE", "FR"),
    people=("Ada", "Grace"),
    embeddings=(("image", 2), ("text", 3)),
)
