"""Rows of tables that several tests need."""

import numpy as np

from covers.audio import quantize

WORKS, VERSIONS, FRAMES = 10, 3, 60  # of the tiny lake that training is tested on


def spectrogram_row(recording_id, tensor):
    """A row of `spectrograms` that holds this chroma, four frames a second."""
    data, scale, offset = quantize.quantize(tensor)
    return (
        recording_id, "chroma", "p", 0, "{}", "0" * 64, 0.0, tensor.shape[1] / 4.0, 4.0,
        [int(n) for n in tensor.shape], "uint8", scale, offset, data,
    )  # fmt: skip


def recording_row(recording_id, work_id, split="train", title=None):
    """A row of `recordings`: a version of this work, of which there is no file."""
    return (
        recording_id, "made", work_id, None, title, None, split, "", "0" * 64, 0, "notes", 16_000, 1, 15.0,
        None, "present",
    )  # fmt: skip


def chroma(work, version):
    """A work is a motif over and over, in few pitch classes; a version is it in another key, noisy."""
    rng = np.random.default_rng(work)
    motif = rng.random((3, 12, 12)) ** 4 * (rng.random((1, 12, 1)) < 0.5)
    pattern = np.tile(motif, (1, 1, FRAMES // 12))
    noise = np.random.default_rng([work, version]).random(pattern.shape) * 0.1
    return np.roll(pattern + noise, 3 * version, axis=1).reshape(36, FRAMES).astype(np.float32)


def tiny_rows():
    """Rows of `spectrograms` and `triplets`: eight works to train on, two to validate on."""
    pairs = [(w, v) for w in range(WORKS) for v in range(VERSIONS)]
    spectrograms = [spectrogram_row(f"w{w}-{v}", chroma(w, v)) for w, v in pairs]
    triplets = []
    for w, v in pairs:
        split = "train" if w < WORKS - 2 else "validation"
        others = range(WORKS - 2) if split == "train" else range(WORKS - 2, WORKS)
        other = [o for o in others if o != w][v % (len(others) - 1)]
        triplets.append(
            ("clique", 1, split, f"w{w}-{v}", 0, f"w{w}-{(v + 1) % VERSIONS}", f"w{other}-{v}",
             "clique", None, f"w{w}", f"w{other}", None, None)
        )  # fmt: skip
    return spectrograms, triplets
