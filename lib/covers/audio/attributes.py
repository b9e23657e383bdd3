"""The six attributes from audio alone, for recordings without a catalogue row.

*Conventions.* Key and mode are measured (Albrecht's and Shanahan's profiles, correlated with tuned chroma
as Krumhansl and Schmuckler do), and so is tempo (autocorrelation of the onset strength, weighted towards
120 BPM). Energy, danceability and valence are proxies in 0-1: loudness spread and brightness; strength of
the pulse; mode, tempo and brightness together. They order recordings; they are not Spotify's numbers.

References
----------
Krumhansl. "Cognitive Foundations of Musical Pitch." 1990. Albrecht, Shanahan. "The use of large corpora to
train a new type of key-finding algorithm." Music Perception 2013. Ellis. "Beat tracking by dynamic
programming." 2007 (tempo weighting).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.audio import quantize
from covers.audio.spectrograms_table import select_parameters
from covers.catalog.names import track_id_of_recording
from covers.io.rows import map_rows
from covers.schemas.recordings import NOTES

_MAJOR = np.array(
    [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081]
)
_MINOR = np.array(
    [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052]
)
_OCTAVES = (1 / 3, 1 / 2, 2, 3)  # lags that a beat is mistaken for
_NUMBERS = {
    "danceability": T.DoubleType(), "energy": T.DoubleType(), "key": T.IntegerType(),
    "mode": T.IntegerType(), "valence": T.DoubleType(), "tempo": T.DoubleType(),
}  # fmt: skip
_HEARD = _NUMBERS | {"tempo_confidence": T.DoubleType()}
_OUTCOME = T.StructType(
    [T.StructField("recording_id", T.StringType())]
    + [T.StructField(name, kind) for name, kind in _HEARD.items()]
)


@dataclass(frozen=True)
class Attributes:
    """The six attributes, in the catalogue's ranges."""

    danceability: float
    energy: float
    key: int
    mode: int
    valence: float
    tempo: float
    tempo_confidence: float  # of tempo beside its half, double, third and threefold, 0-1


def key_of(chroma: np.ndarray) -> tuple[int, int]:
    """Return (key 0-11, mode 1 major or 0 minor) of a pitch-class profile, shape (12,).

    Examples
    --------
    >>> key_of(np.roll(_MAJOR, 7))
    (7, 1)
    """
    profiles = [(t, m, np.roll(p, t)) for t in range(12) for m, p in ((1, _MAJOR), (0, _MINOR))]
    centred = chroma - chroma.mean()
    fits = [float(centred @ (p - p.mean())) / (np.std(p) or 1.0) for _, _, p in profiles]
    key, mode, _ = profiles[int(np.argmax(fits))]
    return key, mode


def tempo_of(onset: np.ndarray, frames_per_second: float) -> tuple[float, float, float]:
    """Return (tempo [BPM], pulse strength, confidence, both 0-1) of an onset strength curve, (T,).

    Confidence answers the question of the octave: the tempo's weighted correlation as a share of its own
    and that of the best of its half, double, third and threefold. 0.5: another is as likely.
    """
    # Smoothed, or pulses that fall between frames are found again only at a multiple of their beat.
    smooth = np.convolve(onset, np.hanning(7), mode="same")
    centred = smooth - smooth.mean()
    if len(centred) < 4 * frames_per_second or not centred.any():
        return 0.0, 0.0, 0.0
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(centred)]
    correlation /= correlation[0]
    lags = np.arange(int(frames_per_second * 60 / 240), int(frames_per_second * 60 / 40))
    bpm = 60 * frames_per_second / lags
    weight = np.exp(-0.5 * (np.log2(bpm / 120) / 0.9) ** 2)
    score = np.maximum(correlation[lags] * weight, 0)
    best = int(np.argmax(score))
    near = [np.abs(lags - lags[best] * r) <= max(1, 0.04 * lags[best] * r) for r in _OCTAVES]
    rival = max((float(score[n].max()) for n in near if n.any()), default=0.0)
    confidence = float(score[best] / ((score[best] + rival) or 1.0))
    lag = float(lags[best])
    if 0 < best < len(lags) - 1:  # a parabola through the peak and its neighbours
        a, b, c = correlation[lags[best] - 1 : lags[best] + 2]
        lag += 0.5 * (a - c) / (a - 2 * b + c) if (a - 2 * b + c) else 0.0
    return 60 * frames_per_second / lag, float(np.clip(correlation[lags[best]], 0, 1)), confidence


def attributes_of(decibels: np.ndarray, frames_per_second: float, chroma: np.ndarray) -> Attributes:
    """Measure one recording.

    Parameters
    ----------
    decibels : np.ndarray, shape (128, T)
        log_mel, dB below the maximum.
    frames_per_second : float
        Of ``decibels``.
    chroma : np.ndarray, shape (36, T')
    """
    key, mode = key_of(chroma.reshape(3, 12, -1).sum(axis=(0, 2)))
    flux = np.maximum(np.diff(decibels, axis=1), 0).mean(axis=0)
    tempo, pulse, confidence = tempo_of(flux, frames_per_second)
    loud = float(np.clip((decibels.mean() + 70) / 50, 0, 1))
    bright = float(np.clip((decibels[64:].mean() - decibels[:64].mean() + 40) / 40, 0, 1))
    return Attributes(
        danceability=float(np.clip(0.2 + 0.8 * pulse, 0, 1)),
        energy=float(np.clip(0.6 * loud + 0.4 * min(flux.mean() / 4, 1), 0, 1)),
        key=key,
        mode=mode,
        valence=float(np.clip(0.3 * mode + 0.3 * min(tempo / 180, 1) + 0.4 * bright, 0, 1)),
        tempo=tempo,
        tempo_confidence=confidence,
    )


def estimate(spectrograms: DataFrame) -> DataFrame:
    """Return the attributes of every recording that has log_mel and chroma; takes `spectrograms`.

    Of several parameters those that `select_parameters` chooses are taken, of several segments the first.

    Raises
    ------
    InputError
        As `select_parameters` does.
    """
    tensor = F.struct("shape", "scale", "offset", "frames_per_second", "tensor")
    mel, chroma = (
        select_parameters(spectrograms.where("segment = 0"), name).select(
            "recording_id", tensor.alias(name)
        )
        for name in ("log_mel", "chroma")
    )
    return map_rows(mel.join(chroma, "recording_id"), _rows, _OUTCOME, spread_by="recording_id")


def known(recordings: DataFrame) -> DataFrame:
    """Return the attributes of versions written from notes: their spec tells them."""
    fields = ", ".join(f"`{name}` {kind.simpleString()}" for name, kind in _NUMBERS.items())
    spec = F.from_json("spec", f"truth struct<{fields.replace('` ', '`: ')}>")
    written = recordings.where(F.col("codec") == NOTES).withColumn("_truth", spec["truth"])
    return written.select("recording_id", "_truth.*", F.lit(1.0).alias("tempo_confidence"))


def _rows(row: dict) -> list[dict]:
    mel, chroma = (quantize.tensor_of_row(row[name]) for name in ("log_mel", "chroma"))
    found = attributes_of(mel, row["log_mel"]["frames_per_second"], chroma)
    return [{"recording_id": row["recording_id"], **asdict(found)}]


def as_tracks(estimated: DataFrame, recordings: DataFrame) -> DataFrame:
    """Name estimated attributes by track_id: the recording's, or ``rec:`` + recording_id."""
    names = recordings.select("recording_id", "track_id")
    identity = track_id_of_recording()
    found = estimated.join(names, "recording_id").withColumn("track_id", identity)
    return found.dropDuplicates(["track_id"])


def errors_against(catalog: DataFrame, estimated: DataFrame) -> list[dict]:
    """Return how far estimates are off where a recording also has a catalogue row."""
    joined = catalog.alias("c").join(estimated.alias("e"), "track_id")
    ratio = F.col("e.tempo") / F.col("c.tempo")
    row = joined.agg(
        F.count("*").alias("n"),
        F.mean((F.col("c.key") == F.col("e.key")).cast("double")).alias("key"),
        F.mean((F.col("c.mode") == F.col("e.mode")).cast("double")).alias("mode"),
        F.mean((F.abs(ratio - 1) < 0.04).cast("double")).alias("tempo"),
        *[
            F.mean(F.abs(F.col(f"c.{a}") - F.col(f"e.{a}"))).alias(a)
            for a in ("danceability", "energy", "valence")
        ],
    ).collect()[0]
    if not row["n"]:
        return []
    right = [
        {"attribute": a, "figure": "share right", "value": row[a], "n": row["n"]}
        for a in ("key", "mode", "tempo")
    ]
    return right + [
        {"attribute": a, "figure": "mean error of the proxy", "value": row[a], "n": row["n"]}
        for a in ("danceability", "energy", "valence")
    ]
