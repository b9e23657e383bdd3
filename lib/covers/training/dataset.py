"""Triplets and their tensors, out of exactly the files of two pinned Delta snapshots.

*Conventions.* Both tables are read once (`covers.io.delta_reader`). Tensors go into one flat
memory-mapped file of uint8, a recording once however many triplets name it; a triplet is three row
numbers, 12 bytes, so storage does not grow with the number of triplets. (Three tensors written out
for each would be 3 x 35 kB: 105 GB a million.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from covers.audio import quantize
from covers.audio.extract import choose_parameters
from covers.errors import InputError
from covers.io.delta_reader import Batch, Snapshot, read_rows

_TENSOR_COLUMNS = [
    "recording_id", "parameters_id", "segment", "frames_per_second", "shape", "scale", "offset", "tensor",
]  # fmt: skip
_TRIPLET_COLUMNS = [
    "strategy", "seed", "split", "anchor", "draw", "positive", "negative", "augmentation", "anchor_label",
    "negative_label",
]  # fmt: skip
_ROLES = ["anchor", "positive", "negative"]


@dataclass(frozen=True)
class TensorStore:
    """Tensors of many recordings, flat in one memory-mapped file.

    Parameters
    ----------
    rows : dict of str to int
        Row of each recording id.
    memory : np.memmap, shape (n_bytes,), uint8
    starts : np.ndarray, shape (n,), int64
        Where each tensor begins in ``memory``.
    shapes : np.ndarray, shape (n, 2), int64
        (n_bins, T) of each tensor.
    scales : np.ndarray, shape (n, 2), float32
        Scale and offset of each: value = scale * byte + offset.
    frames_per_second : float
    """

    rows: dict[str, int]
    memory: np.memmap
    starts: np.ndarray
    shapes: np.ndarray
    scales: np.ndarray
    frames_per_second: float

    def tensor(self, row: int) -> np.ndarray:
        """Return one tensor, (n_bins, T) float32."""
        n_bins, n_frames = self.shapes[row]
        start = self.starts[row]
        stored = self.memory[start : start + n_bins * n_frames].reshape(n_bins, n_frames)
        scale, offset = self.scales[row]
        return stored.astype(np.float32) * scale + offset


@dataclass(frozen=True)
class Triplets:
    """Triplets of one split as row numbers of a `TensorStore`.

    Parameters
    ----------
    store : TensorStore
    rows : np.ndarray, shape (n, 3), int32
        Of anchor, positive and negative.
    labels : np.ndarray, shape (n, 2), int64
        Of anchor and positive, and of the negative; the training labels are numbered first.
    augmentations : np.ndarray, shape (n,), object
        Augmentation spec of the positive (JSON), or None.
    """

    store: TensorStore
    rows: np.ndarray
    labels: np.ndarray
    augmentations: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def read_tensors(
    snapshot: Snapshot,
    representation: str,
    folder: str,
    *,
    reader: str = "petastorm",
    on_batch: Callable[[], object] = lambda: None,
) -> TensorStore:
    """Read the first segment of every recording in a representation.

    Parameters
    ----------
    snapshot : Snapshot
        Of table `spectrograms`.
    representation : str
    folder : str
        Gets the memory-mapped file.
    reader : str
        See `covers.io.delta_reader.READERS`.
    on_batch : callable
        Called for every batch of rows that was read.

    Raises
    ------
    InputError
        If there is none, or several parameters of which none can be chosen.
    """
    ids: set[str] = set()
    for batch in read_rows(snapshot, ["representation", "parameters_id"], reader=reader):
        on_batch()
        ids |= set(batch["parameters_id"][batch["representation"] == representation].tolist())
    parameters_id = choose_parameters(ids, representation)
    rows: dict[str, int] = {}
    starts: list[int] = []
    shapes: list[tuple[int, ...]] = []
    scales: list[tuple[float, float]] = []
    n_bytes, rate = 0, 0.0
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".u8", delete=False) as file:
        for batch in read_rows(snapshot, _TENSOR_COLUMNS, reader=reader):
            on_batch()
            wanted = (batch["parameters_id"] == parameters_id) & (batch["segment"] == 0)
            for i in np.flatnonzero(wanted):
                shape = tuple(int(n) for n in batch["shape"][i])
                rows[str(batch["recording_id"][i])] = len(starts)
                starts.append(n_bytes)
                shapes.append(shape)
                scales.append((batch["scale"][i], batch["offset"][i]))
                rate = float(batch["frames_per_second"][i])
                n_bytes += file.write(quantize.stored_bytes(batch["tensor"][i], shape))
        name = file.name
    memory = np.memmap(name, dtype=np.uint8, mode="r")
    return TensorStore(
        rows, memory, np.array(starts), np.array(shapes), np.array(scales, np.float32), rate
    )


def read_triplets(
    snapshot: Snapshot,
    store: TensorStore,
    *,
    strategy: str,
    seed: int,
    reader: str = "petastorm",
    on_batch: Callable[[], object] = lambda: None,
) -> dict[str, Triplets]:
    """Return the triplets of a strategy and seed, as ``train`` and ``validation``.

    Triplets of which a recording has no tensor in ``store`` are left out. The order is that of the
    ids, whatever the files'.

    Parameters
    ----------
    snapshot : Snapshot
        Of table `triplets`.
    store : TensorStore
    strategy : str
    seed : int
        Of `generate_triplets`.
    reader : str
    on_batch : callable
        Called for every batch of rows that was read.

    Raises
    ------
    InputError
        If there are no training triplets.
    """
    frames = []
    for batch in read_rows(snapshot, _TRIPLET_COLUMNS, reader=reader):
        on_batch()
        frames.append(_select(batch, strategy, seed, store))
    found = pd.concat(frames) if frames else pd.DataFrame()
    if not len(found) or not (found["split"] == "train").any():
        raise InputError(
            f"triplets must hold strategy {strategy!r} with seed {seed} and tensors for it, got "
            "none; run generate_triplets and decode_audio first"
        )
    # petastorm's order depends on the files; training must not.
    found = found.sort_values(["split", *_ROLES, "draw"], kind="stable")
    labels, _ = pd.factorize(found[["anchor_label", "negative_label"]].to_numpy().ravel())
    labels = labels.reshape(-1, 2).astype(np.int64)  # "train" sorts first: its labels do, too
    rows = np.stack([found[role].map(store.rows).to_numpy(np.int32) for role in _ROLES], axis=1)
    augmentations = found["augmentation"].to_numpy(object)
    masks = {split: (found["split"] == split).to_numpy() for split in ("train", "validation")}
    return {s: Triplets(store, rows[m], labels[m], augmentations[m]) for s, m in masks.items()}


def _select(batch: Batch, strategy: str, seed: int, store: TensorStore) -> pd.DataFrame:
    """Return the wanted rows of a batch, ids and labels as text."""
    at = np.flatnonzero((batch["strategy"] == strategy) & (batch["seed"] == seed))
    text = ["split", *_ROLES, "anchor_label", "negative_label"]
    found = pd.DataFrame({c: [str(v) for v in batch[c][at]] for c in text}, dtype=object)
    found["draw"] = batch["draw"][at].astype(np.int64)
    specs = [_spec(v) for v in batch["augmentation"][at]]
    found["augmentation"] = pd.Series(specs, found.index, dtype=object)
    return found[found[_ROLES].isin(store.rows.keys()).all(axis=1)]


def _spec(value: object) -> str | None:
    """Return an augmentation spec; the readers give null as None, nan or the text None."""
    return value if isinstance(value, str) and value.startswith("{") else None
