"""The feature store as the trainer reads it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.snapshot import Source


@contextmanager
def training_source(
    paths: StatePaths,
    database_url: str | None,
    online_store_url: str | None,
    fold: FoldConfig = DEFAULT_FOLD,
) -> Iterator[Source]:
    """Events and catalog of the state directory, with the profiles of the online store."""
    online = OnlineFeatures.open(paths, online_store_url)

    def read_profiles(user_ids: Sequence[str]) -> Mapping[str, Profile]:
        profiles = online.read_profiles(user_ids)
        return {user_id: profiles.get(user_id, Profile()) for user_id in user_ids}

    try:
        yield Source(paths=paths, database_url=database_url, fold=fold, read_profiles=read_profiles)
    finally:
        online.close()
