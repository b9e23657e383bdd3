"""Embeddings of one recording: of the track, of its segments, of its frames.

*Conventions.* Every row has unit L2 norm and d numbers; with 12 transpositions they are twelve rows, one a
pitch class, flattened. All rows of a recording are in the canonical transposition of its track embedding.
A tempo factor above 1 embeds the recording as if it were played faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import load, save

from covers.audio.augmentation.tensor import stretch_time
from covers.models.covernet import CoverNet
from covers.models.model import EmbeddingModel, one_thread

MIN_FRAMES = 16  # that a network needs; a shorter recording is repeated


@dataclass(frozen=True)
class TrackEmbeddings:
    """All embeddings of one recording.

    Parameters
    ----------
    track : np.ndarray, shape (k, d), float32
        One a tempo factor, the recording's own tempo first.
    n_transpositions : int
        12 or 1.
    segments : tuple of np.ndarray, shape (m, d)
        One array a tempo factor; empty if the model has no segment embeddings.
    frames : np.ndarray, shape (t, d), or None
        In time order, at the recording's own tempo.
    semitones : int
        Canonical transposition: how many semitones the rows were rolled down, 0 to 11.
    """

    track: np.ndarray
    n_transpositions: int
    segments: tuple[np.ndarray, ...] = ()
    frames: np.ndarray | None = None
    semitones: int = 0

    def __post_init__(self) -> None:
        """Check that all embeddings have one width, which the transpositions divide."""
        arrays = (self.track, *self.segments, *(() if self.frames is None else (self.frames,)))
        widths = {x.shape[-1] for x in arrays}
        if any(x.ndim != 2 for x in arrays) or len(widths) != 1:
            raise ValueError(
                f"embeddings must be matrices of one width, got {[x.shape for x in arrays]}"
            )
        if self.track.shape[1] % self.n_transpositions:
            raise ValueError(
                f"embeddings must be {self.n_transpositions} rows, got {self.track.shape[1]} numbers"
            )

    def to_bytes(self) -> bytes:
        """Return these embeddings as safetensors; frames in float16, for they are most of it."""
        arrays = {"track": self.track, "about": np.array([self.n_transpositions, self.semitones])}
        arrays |= {f"segments{i}": x for i, x in enumerate(self.segments)}
        if self.frames is not None:
            arrays["frames"] = self.frames.astype(np.float16)
        return save(arrays)

    @staticmethod
    def from_bytes(data: bytes) -> TrackEmbeddings:
        """Return the embeddings that `to_bytes` wrote."""
        arrays = load(data)
        track, frames = arrays.pop("track"), arrays.pop("frames", None)
        n_transpositions, semitones = (int(x) for x in arrays.pop("about"))
        segments = tuple(arrays[f"segments{i}"] for i in range(len(arrays)))
        return TrackEmbeddings(track, n_transpositions, segments, frames, semitones)


@torch.inference_mode()
def embed_track(
    module: torch.nn.Module, tensor: np.ndarray, *, crop_frames: int | None
) -> np.ndarray:
    """Return one embedding of a recording, shape (d,), float32, unit norm.

    Parameters
    ----------
    module : torch.nn.Module, in eval mode
    tensor : np.ndarray, shape (n_bins, T), float32
    crop_frames : int or None
        Length of the crops whose embeddings are averaged; None: the whole track at once.
    """
    tensor = repeat_to_length(tensor)
    n = tensor.shape[1]
    size = min(crop_frames or n, n)
    crops = np.stack([tensor[:, i : i + size] for i in range(0, n - size + 1, size)])
    mean = module(torch.from_numpy(crops)).mean(dim=0)
    return torch.nn.functional.normalize(mean, dim=0).numpy()


@one_thread()
@torch.inference_mode()
def extract_embeddings(
    model: EmbeddingModel,
    tensor: np.ndarray,
    frames_per_second: float,
    *,
    tempo_factors: Sequence[float] | None = None,
) -> TrackEmbeddings:
    """Return all embeddings of a recording that the model's card asks for.

    Parameters
    ----------
    model : EmbeddingModel
    tensor : np.ndarray, shape (n_bins, T), float32
        Of the model's representation.
    frames_per_second : float
        Of the tensor.
    tempo_factors : sequence of float, optional
        Default: the card's, as for a query; ``(1.0,)`` for a candidate.
    """
    module, card = model.module, model.card
    factors = card.tempo_factors if tempo_factors is None else tuple(tempo_factors)
    if not (isinstance(module, CoverNet) and (card.segment_s or card.frame_s)):
        size = crop_frames(model, frames_per_second)
        track = [embed_track(module, change_tempo(tensor, f), crop_frames=size) for f in factors]
        return TrackEmbeddings(np.stack(track), model.n_transpositions)
    track, segments, frames, semitones = [], [], None, 0
    for number, factor in enumerate(factors):
        x = torch.from_numpy(repeat_to_length(change_tempo(tensor, factor)))
        wanted = [card.segment_s, card.frame_s if number == 0 else None]
        windows = [_in_frames(w, frames_per_second) for w in wanted if w]
        found, rolled = module.embed_sequences(x, windows)
        whole, *sequences = (rows.numpy() for rows in found)
        track.append(whole[0])
        if card.segment_s:
            segments.append(sequences.pop(0))
        if sequences:
            frames = sequences[0]
        if number == 0:
            semitones = rolled
    return TrackEmbeddings(
        np.stack(track), model.n_transpositions, tuple(segments), frames, semitones
    )


def crop_frames(model: EmbeddingModel, frames_per_second: float) -> int | None:
    """Return the length of a model's crops [frames]; None for one that sees the whole track."""
    if model.module.sees_whole_track:
        return None
    return round(model.card.crop_s * frames_per_second)


def change_tempo(tensor: np.ndarray, factor: float) -> np.ndarray:
    """Return a recording's tensor as it would be at ``factor`` times its tempo, in the same key."""
    return tensor if factor == 1 else stretch_time(tensor, 1 / factor)


def repeat_to_length(tensor: np.ndarray, n_frames: int = MIN_FRAMES) -> np.ndarray:
    """Return a tensor (n_bins, T), repeated where it is shorter than ``n_frames``."""
    n = tensor.shape[1]
    return tensor if n >= n_frames else np.tile(tensor, (1, -(-n_frames // n)))[:, :n_frames]


def _in_frames(window_s: tuple[float, float], frames_per_second: float) -> tuple[int, int]:
    length_s, hop_s = window_s
    return round(length_s * frames_per_second), round(hop_s * frames_per_second)
