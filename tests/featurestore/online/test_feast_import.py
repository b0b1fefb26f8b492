"""Importing Feast leaves the process as it was."""

import subprocess
import sys

PROGRAM = """
import os
from pagecast.featurestore.online.feast_import import import_feast
before = dict(os.environ)
import_feast()
import feast, sys
assert dict(os.environ) == before, set(os.environ) - set(before)
assert "torch" not in sys.modules
from prometheus_client.values import ValueClass
assert ValueClass.__name__ == "MutexValue", ValueClass
"""


def test_neither_torch_nor_shared_metrics_come_with_feast() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
