from pathlib import Path

import sqlalchemy as sa

from pagecast.featurestore.trainings.checkpoint_room import free_checkpoints
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.trainings import Trainings


def test_what_has_ended_leaves_no_checkpoints_and_the_rest_stays(
    engine: sa.Engine, tmp_path: Path
) -> None:
    trainings, claims = Trainings(engine), TrainingClaims(engine)
    for request_id in ("fails", "is-cancelled", "succeeds", "runs", "waits"):
        trainings.ask(request_id, TrainingOrder(beside=True), asked_by="rpc")
    for ends in (
        lambda claim: claims.fail(claim, "no events"),
        claims.cancelled,
        lambda claim: claims.succeed(claim, "v1"),
        lambda _: None,
    ):
        claim = claims.claim("here", 60_000)
        assert claim is not None
        ends(claim)
    folder = tmp_path / "trainings"
    ids = {t.request_id: t.id for t in trainings.list()}
    for name in (*ids.values(), 999, "somebody-else-s"):
        (folder / str(name)).mkdir(parents=True)
        (folder / str(name) / "step-000000000001.safetensors").touch()
    gone = (ids["fails"], ids["is-cancelled"], ids["succeeds"])
    assert free_checkpoints(trainings, folder) == gone
    stay = {str(ids["runs"]), str(ids["waits"]), "999", "somebody-else-s"}
    assert {path.name for path in folder.iterdir()} == stay
    assert free_checkpoints(trainings, tmp_path / "not-there") == ()
