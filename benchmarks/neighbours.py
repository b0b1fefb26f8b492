"""Nearest entities by the index and exactly: recall, time of a search, time of a build.

Vectors are made up: clusters of fifty around random centres, with lengths that vary as `--spread`
says, since products depend on length as well as angle.

    .venv/bin/python benchmarks/neighbours.py --entities 20000 50000 --json
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from pagecast.engine.graph import FloatArray
from pagecast.engine.vectors.neighbours import NeighbourIndex, nearest, unit
from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.predicates import Indices

OF_A_CLUSTER = 50


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was searched, how well and how fast."""

    entities: int
    by: str
    most: int
    build_s: float
    share_allowed: float
    recall: float
    recall_min: float
    index_us: float
    exact_us: float


def vectors(rng: np.random.Generator, entities: int, width: int, spread: float) -> FloatArray:
    centre_CO = rng.standard_normal((max(1, entities // OF_A_CLUSTER), width))
    noise_NO = 0.5 * rng.standard_normal((entities, width))
    length_N1 = rng.lognormal(0.0, spread, (entities, 1))
    vectors_NO = (centre_CO[rng.integers(len(centre_CO), size=entities)] + noise_NO) * length_N1
    return vectors_NO.astype(np.float32)


def seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def measured(
    table_NO: FloatArray, queries_QO: FloatArray, most: int, share: float, index: NeighbourIndex
) -> dict[str, float]:
    rng = np.random.default_rng(3)
    allowed_W: Words = bitsets.pack(rng.random(len(table_NO)) < share)
    found: list[Indices] = []
    exact: list[Indices] = []
    index_s = seconds(
        lambda: found.extend(index.search(query_O, allowed_W, most) for query_O in queries_QO)
    )
    exact_s = seconds(
        lambda: exact.extend(
            nearest(table_NO, query_O, allowed_W, most).entities_I for query_O in queries_QO
        )
    )
    common = [len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]
    return {
        "share_allowed": share,
        "recall": float(np.mean(common)),
        "recall_min": float(np.min(common)),
        "index_us": 1e6 * index_s / len(queries_QO),
        "exact_us": 1e6 * exact_s / len(queries_QO),
    }


def rows(arguments: argparse.Namespace) -> list[Line]:
    table: list[Line] = []
    for entities in arguments.entities:
        rng = np.random.default_rng(0)
        product_NO = vectors(rng, entities, arguments.width, arguments.spread)
        users_QO = rng.standard_normal((arguments.queries, arguments.width)).astype(np.float32)
        cosine_NO = unit(product_NO)
        asked_QO = cosine_NO[rng.integers(entities, size=arguments.queries)]
        for by, table_NO, queries_QO in (
            ("product", product_NO, users_QO),
            ("cosine", cosine_NO, asked_QO),
        ):
            began = time.thread_time()
            index = NeighbourIndex.build(table_NO)
            build_s = time.thread_time() - began
            for share in (1.0, 0.5) if by == "product" else (1.0,):
                for most in (10, 100):
                    figures = measured(table_NO, queries_QO, most, share, index)
                    line = Line(entities=entities, by=by, most=most, build_s=build_s, **figures)
                    table.append(line)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entities", type=int, nargs="+", default=[20_000, 50_000])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--spread", type=float, default=0.3)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = rows(arguments)
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(line) for line in table]) + "\n")
        return
    print(
        "| entities | by | allowed | nearest | recall | least | index, µs | exact, µs | build, s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for line in table:
        print(
            "| {entities} | {by} | {share_allowed} | {most} | {recall:.3f} | {recall_min:.2f} "
            "| {index_us:.0f} | {exact_us:.0f} | {build_s:.1f} |".format(**asdict(line))
        )


if __name__ == "__main__":
    main()
