"""Erasure: the parts that hold rows of a user are written anew without them."""

import pyarrow as pa
import pyarrow.dataset as ds

from pagecast.featurestore.offline.dataset import Dataset
from pagecast.featurestore.offline.files import sweep
from pagecast.featurestore.offline.ordering import in_order
from pagecast.featurestore.offline.parts import Part, list_parts
from pagecast.featurestore.offline.schema import KEY


def erase(dataset: Dataset, doomed: ds.Expression) -> int:
    """Removes the rows for which `doomed` is true, from visible parts and from all others.

    Returns how many keys had such a row. May be repeated; a crash leaves whole parts, some with
    their rows and some without. What the dead left unfinished goes, too. Raises OSError.
    """
    if not dataset.root.exists():
        return 0
    erased: list[pa.Table] = []
    with dataset.changing():
        sweep(dataset.root)
        for part in list_parts(dataset.root):
            gone = dataset.read_parts([part], KEY, where=doomed)
            if len(gone):
                erased.append(gone)
                _write_anew(dataset, part, ~doomed)
    return len(in_order(pa.concat_tables(erased))) if erased else 0


def _write_anew(dataset: Dataset, part: Part, kept: ds.Expression) -> None:
    table = in_order(dataset.read_parts([part], dataset.schema.columns.names, where=kept))
    dataset.replace([part.path], part.name.kind if part.name else None, table)
