"""What several benchmarks need: a clock, songs, a network's distances, a Spark session."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from pyspark.sql import SparkSession

from covers.audio.features import parameters
from covers.evaluation.systems import EvaluationSet, all_distances
from covers.models import registry
from covers.retrieval.hearing import hear
from covers.synthesis import corpus
from covers.synthesis.composer import compose
from covers.synthesis.song import Song
from tests.conftest import settings

CORES = 2


def timed(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the median time of a few runs [s], after one to warm up."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def some_songs(folder: str | None, n: int) -> list[Song]:
    """Return n songs, evenly out of a folder; without one, composed here."""
    if not folder:
        return [compose(number, 0) for number in range(n)]
    names = corpus.find_songs(folder, None)
    load = corpus.song_loader(folder)
    return [load(name) for name in names[:: max(len(names) // n, 1)][:n]]


def network_distances(chromas: list[np.ndarray], model: str = "shipped") -> dict[str, np.ndarray]:
    """Return a covernet's distances as `evaluate_covers` has them: ``model``, ``model_plain`` and so on.

    ``model``: shipped, untrained or a file.
    """
    network, rate = registry.resolve(None, model), parameters("chroma").frames_per_second
    heard = [hear(network, x, rate) for x in chromas]
    n = len(chromas)
    data = EvaluationSet(
        "", [""] * n, [""] * n, np.arange(n), chromas, {"model": (heard, network.n_transpositions)}
    )
    return all_distances(data, baselines=False)


def session() -> SparkSession:
    """Return a quiet local session with Delta, as spark-submit.sh would configure it."""
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    os.environ["PYTHONPATH"] = os.path.join(os.getcwd(), "lib")
    builder = SparkSession.builder.master(f"local[{CORES}]")
    for name, value in (settings() | {"spark.driver.memory": "4g"}).items():
        builder = builder.config(name, value.strip())
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
