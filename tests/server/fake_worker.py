"""A worker that loads nothing: `python -S fake_worker.py FOLDER SERVES_S`.

Notes its pid in FOLDER, says that it serves unless SERVES_S is negative, and ends with code 7 after
SERVES_S seconds.
"""

import json
import os
import sys
import time
from pathlib import Path

folder, serves_s = Path(sys.argv[1]), float(sys.argv[2])
orders = json.loads(os.environ["PAGECAST_WORKER_ORDERS"])
noted = folder / f"{time.monotonic_ns()}.json"
unfinished = noted.with_suffix(".part")  # who looks meanwhile must not find half a note
unfinished.write_text(json.dumps(orders | {"pid": os.getpid()}))
unfinished.rename(noted)
if serves_s >= 0:
    os.write(orders["pipe"], b"9\n")
    time.sleep(serves_s)
sys.exit(7)
