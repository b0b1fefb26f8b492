"""A trainer in a process of its own: `child_trainer.py STATE EPOCHS`; says when it has begun."""

import sys
import threading
from pathlib import Path

from pagecast.featurestore.database import connect
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.records import Claim
from pagecast.trainer.service.supervisor import Supervisor, SupervisorConfig


def main(state: str, epochs: str) -> None:
    paths = StatePaths(root=Path(state))
    child = Path(__file__).parent / "child_claimed.py"

    def command(claim: Claim) -> list[str]:
        return [sys.executable, str(child), state, str(claim.id), str(claim.attempt), epochs]

    config = SupervisorConfig(command=command, logs=paths.logs, turn_s=0.2, lease_s=3.0)
    engine = connect(paths.database_url)
    Supervisor(TrainingClaims(engine), config).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
