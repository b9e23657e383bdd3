"""Training recordings of the lake that an ensemble's head is whitened by."""

from __future__ import annotations

import numpy as np
from pyspark.sql import functions as F

from covers.audio import quantize
from covers.audio.spectrograms_table import select_parameters
from covers.errors import InputError
from covers.io.lake import Lake
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.training.batching import crop


def training_crops(lake: Lake, seconds: float, n: int, seed: int) -> np.ndarray:
    """Return chroma crops (n, 36, T) of up to n recordings of split train, drawn by the seed.

    Raises
    ------
    InputError
        If there is none.
    """
    train = lake.read(RECORDINGS).where("split = 'train'").select("recording_id")
    chroma = select_parameters(lake.read(SPECTROGRAMS), "chroma")
    drawn = F.xxhash64("recording_id", "segment", F.lit(seed))
    rows = chroma.join(train, "recording_id", "left_semi").orderBy(drawn, "recording_id").limit(n)
    rng, crops = np.random.default_rng(seed), []
    for row in rows.toLocalIterator():
        n_frames = max(1, round(seconds * row["frames_per_second"]))
        crops.append(crop(quantize.tensor_of_row(row), n_frames, rng))
    if not crops:
        raise InputError(
            "recordings of split train must have spectrograms to whiten by, got none; run "
            "decode_audio or synthesize_versions --form symbolic"
        )
    return np.stack(crops)
