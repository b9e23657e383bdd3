"""What several benchmarks need: a clock, songs, embeddings, soundfonts, a Spark session."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from pyspark.sql import SparkSession

from covers.audio.features import parameters
from covers.errors import InputError
from covers.models.model import EmbeddingModel, load_stand_alone
from covers.retrieval import pairs
from covers.retrieval.embedding import TrackEmbeddings, extract_embeddings
from covers.synthesis import corpus, soundfont
from covers.synthesis.arrange import Score
from covers.synthesis.composer import compose
from covers.synthesis.song import Song
from covers.synthesis.version_spec import PROGRAMS, VersionSpec
from tests.conftest import settings

CORES = 2
SILENCE = 1e-3  # largest amplitude of what no one hears


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


def embed_chromas(chromas: list[np.ndarray], model: EmbeddingModel) -> list[TrackEmbeddings]:
    """Return all embeddings of recordings that the model's card asks for."""
    rate = parameters("chroma").frames_per_second
    return [extract_embeddings(model, x, rate) for x in chromas]


def network_distances(chromas: list[np.ndarray], model: str = "shipped") -> np.ndarray:
    """Return a CoverNet's distances by track and segment embeddings, not normalised.

    ``model``: shipped, untrained or a file.
    """
    found = load_stand_alone(model).with_card(frame_s=None)
    return pairs.embedding_distances(embed_chromas(chromas, found))


@lru_cache(maxsize=1)
def complete_soundfonts() -> tuple[str, ...]:
    """Return the installed soundfonts that play every program of `PROGRAMS`; some lack a few.

    Raises
    ------
    InputError
        If there is none; the message names the programs that each one lacks.
    """
    lacking = {font: silent_programs(font) for font in soundfont.installed_soundfonts()}
    complete = tuple(font for font, silent in lacking.items() if not silent)
    if not complete:
        raise InputError(
            f"a soundfont must play every program of PROGRAMS, got silence of {lacking}"
        )
    return complete


def silent_programs(font: str) -> list[int]:
    """Return the programs of `PROGRAMS` at which a soundfont is silent."""
    rate, silent = 16_000, []
    programs = sorted({p for of_kind in PROGRAMS.values() for p in of_kind})
    for first in range(0, len(programs), 8):  # channel 9 is the drums'
        some = programs[first : first + 8]
        # One note a second: each program has a second of the waveform.
        parts = {str(p): ("", np.array([[i, 0.8, 60.0, 0.9]])) for i, p in enumerate(some)}
        spec = VersionSpec(0, soundfont=font, programs={str(p): p for p in some})
        score = Score(parts, np.empty((0, 3)), float(len(some)))
        played = soundfont.play_score(score, spec, rate).reshape(len(some), rate)
        peaks = np.abs(played[:, : rate // 2]).max(axis=1)
        silent += [p for p, peak in zip(some, peaks, strict=True) if peak < SILENCE]
    return silent


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
