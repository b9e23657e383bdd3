"""Made recordings: embeddings of works and versions, chroma, models whose cards a test sets."""

import numpy as np

from covers.models.model import untrained
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.reference_set import Metadata

N, WIDTH = 12, 48  # transpositions, numbers of an embedding


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def covernet(**card):
    """An untrained CoverNet, compared by track embeddings alone unless the card has windows."""
    return untrained().with_card(**({"segment_s": None, "frame_s": None} | card))


def transposed(rows, semitones):
    """Roll embeddings (m, N * d) up by so many semitones."""
    return np.roll(rows.reshape(len(rows), N, -1), semitones, axis=1).reshape(rows.shape)


def noisy(rows, rng, scale):
    return unit(rows + scale * rng.normal(size=rows.shape) / np.sqrt(rows.shape[-1]))


def works(n_works, n_versions=2, *, n_tempi=2, seed=0, noise=1.2):
    """Embeddings of versions of works, and their works: one after the other, each in its own key.

    A version has a track embedding at each of ``n_tempi``, a few segments, and frames in the order of its
    work from some place on.
    """
    rng, found, names = np.random.default_rng(seed), [], []
    for work in range(n_works):
        center, frames = rng.normal(size=(1, WIDTH)), unit(rng.normal(size=(16, WIDTH)))
        for _ in range(n_versions):
            key, first = int(rng.integers(N)), int(rng.integers(6))

            def version(rows, scale, key=key):
                return transposed(noisy(unit(rows), rng, scale), key)

            track = version(center.repeat(n_tempi, axis=0), noise)
            segments = [
                version(center.repeat(m, axis=0), noise) for m in rng.integers(1, 4, size=n_tempi)
            ]
            found.append(
                TrackEmbeddings(track, N, tuple(segments), version(frames[first:], noise / 2), key)
            )
            names.append(f"w{work}")
    return found, np.array(names)


def metadata(names, split="validation"):
    return {str(i): Metadata(f"title of {w}", "", w, split) for i, w in enumerate(names)}


def song(seed, n_chords, frames=10):
    """Chroma (36, n_chords * frames) of random chords, two and a half seconds each."""
    rng = np.random.default_rng(seed)
    return rng.random((36, n_chords)).repeat(frames, axis=1).astype(np.float32)


def keys_of(value):
    """Every key of nested dicts and lists."""
    if isinstance(value, dict):
        return set(value) | set().union(*map(keys_of, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(keys_of, value))
    return set()
