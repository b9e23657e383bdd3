"""Triplets and their tensors, out of exactly the files of two pinned snapshots.

*Conventions.* petastorm reads the triplets (ids) and the spectrograms once, each by the files of
one Delta version, and every read must give exactly the rows that Delta's log counts. Tensors go
into one flat memory-mapped file of uint8, a recording once however many triplets name it; a
triplet is three row numbers (12 bytes), so storage does not grow with the number of triplets
(writing the tensors out a triplet would cost 3 x 35 kB each: 105 GB a million).

The order of an epoch is a permutation of all triplets by (seed, epoch), where asked of groups of
one work; a global batch is the next ``batch_size`` of it, and rank r of n takes every n-th group:
disjoint, complete, equal steps, and the same global batches whatever the number of ranks.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from covers.audio import augmentation, quantize
from covers.audio.extract import choose_parameters
from covers.errors import InputError
from covers.io.delta_reader import Snapshot, read_rows
from covers.training.config import TrainConfig

Made = TypeVar("Made")


@dataclass(frozen=True)
class TensorStore:
    """Tensors of many recordings, flat in one memory-mapped file."""

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


def tensor_store(
    snapshot: Snapshot,
    representation: str,
    folder: str,
    *,
    reader: str = "petastorm",
    on_batch: Callable[[], object] = lambda: None,
) -> TensorStore:
    """Read the first segment of every recording in this representation.

    ``on_batch`` is called for every batch of rows that was read.

    Raises
    ------
    InputError
        If there is none, or several parameters of which none can be chosen.
    """
    kinds: set[str] = set()
    for batch in read_rows(snapshot, ["representation", "parameters_id"], reader=reader):
        on_batch()
        kinds |= set(batch["parameters_id"][batch["representation"] == representation].tolist())
    kind = choose_parameters(kinds, representation)
    columns = [
        "recording_id",
        "parameters_id",
        "segment",
        "frames_per_second",
        "shape",
        "scale",
        "offset",
        "tensor",
    ]
    found: dict[str, int] = {}
    starts: list[int] = []
    shapes: list[tuple[int, ...]] = []
    scales: list[tuple[float, float]] = []
    n_bytes, rate = 0, 0.0
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".u8", delete=False) as file:
        for batch in read_rows(snapshot, columns, reader=reader):
            on_batch()
            for i in np.flatnonzero((batch["parameters_id"] == kind) & (batch["segment"] == 0)):
                shape = tuple(int(n) for n in batch["shape"][i])
                data = quantize.stored_bytes(batch["tensor"][i], shape)
                found[str(batch["recording_id"][i])] = len(starts)
                starts.append(n_bytes)
                shapes.append(shape)
                scales.append((batch["scale"][i], batch["offset"][i]))
                rate = float(batch["frames_per_second"][i])
                n_bytes += file.write(data)
        name = file.name
    memory = np.memmap(name, dtype=np.uint8, mode="r")
    return TensorStore(
        found, memory, np.array(starts), np.array(shapes), np.array(scales, np.float32), rate
    )


@dataclass(frozen=True)
class Triplets:
    """Triplets of one split as row numbers of a `TensorStore`."""

    rows: np.ndarray  # (n, 3) int32: anchor, positive, negative
    labels: np.ndarray  # (n, 2) int64: of anchor and positive, of negative
    augmentations: np.ndarray  # (n,) object: spec of the positive, or None

    def __len__(self) -> int:
        return len(self.rows)


def read_triplets(
    snapshot: Snapshot,
    store: TensorStore,
    *,
    strategy: str,
    seed: int,
    reader: str = "petastorm",
    on_batch: Callable[[], object] = lambda: None,
) -> dict[str, Triplets]:
    """Return the triplets of a strategy and seed by split; those without a tensor are left out.

    Raises
    ------
    InputError
        If there are no training triplets.
    """
    columns = [
        "strategy",
        "seed",
        "split",
        "anchor",
        "draw",
        "positive",
        "negative",
        "augmentation",
        "anchor_label",
        "negative_label",
    ]
    parts: dict[str, list] = {"train": [], "validation": []}
    for batch in read_rows(snapshot, columns, reader=reader):
        on_batch()
        for i in np.flatnonzero((batch["strategy"] == strategy) & (batch["seed"] == seed)):
            ids = [str(batch[c][i]) for c in ("anchor", "positive", "negative")]
            if all(x in store.rows for x in ids):
                spec = batch["augmentation"][i]
                labels = (batch["anchor_label"][i], batch["negative_label"][i])
                parts[batch["split"][i]].append(
                    (
                        *ids,
                        int(batch["draw"][i]),
                        labels,
                        _spec(spec),
                    )
                )
    if not parts["train"]:
        raise InputError(
            f"triplets must hold strategy {strategy!r} with seed {seed} and tensors for it, got "
            "none; run generate_triplets and decode_audio first"
        )
    numbers: dict[str, int] = {}
    number = lambda label: numbers.setdefault(str(label), len(numbers))  # noqa: E731
    made = {}
    for split, found in parts.items():
        found.sort(key=lambda t: t[:4])  # petastorm's order depends on files, ours must not
        numbers_of = np.array([[store.rows[x] for x in t[:3]] for t in found], np.int32).reshape(
            -1, 3
        )
        labels_of = np.array([[number(x) for x in t[4]] for t in found], np.int64).reshape(-1, 2)
        made[split] = Triplets(
            numbers_of, labels_of, np.array([t[5] for t in found] + [None], object)[:-1]
        )
    return made


def _spec(value: object) -> str | None:
    """Return the spec; readers give null as None, nan or the text None."""
    return value if isinstance(value, str) and value.startswith("{") else None


def batch_indices(
    labels: np.ndarray,
    *,
    batch_size: int,
    part: int,
    n_parts: int,
    epoch: int,
    seed: int,
    pairs_per_work: int = 1,
) -> list[np.ndarray]:
    """Return a part's triplets of every step of an epoch; the rest of a division is left out.

    ``labels`` (n,) are the triplets' works. A part takes ``pairs_per_work`` of one work together, as
    far as there are so many.

    Raises
    ------
    ValueError
        If the batch cannot be cut into equal parts.
    """
    if batch_size % (n_parts * pairs_per_work):
        raise ValueError(
            f"batch_size must be a multiple of {n_parts} parts x {pairs_per_work} pairs of a work, "
            f"got {batch_size}"
        )
    groups = _of_one_work(labels, pairs_per_work, np.random.default_rng([seed, epoch]))
    size = min(batch_size // pairs_per_work, len(groups) // n_parts * n_parts)
    if not size:
        return []
    starts = range(0, len(groups) - size + 1, size)
    return [groups[i : i + size][part::n_parts].ravel() for i in starts]


def _of_one_work(labels: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n // size, size) triplets in random order, of one work a row where there are enough."""
    order = rng.permutation(len(labels))
    if size == 1:
        return order[:, None]
    order = order[np.argsort(labels[order], kind="stable")]
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(first, count)
    whole = place < np.repeat(count // size * size, count)
    mixed = rng.permutation(order[~whole])
    groups = np.concatenate([order[whole], mixed[: len(mixed) // size * size]])
    return rng.permutation(groups.reshape(-1, size))


def load_batch(
    store: TensorStore,
    triplets: Triplets,
    indices: np.ndarray,
    config: TrainConfig,
    *,
    epoch: int,
    vary: bool,
    negatives: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (3, B, n_bins, T) tensors and (3, B) labels; without ``negatives`` 2 instead of 3.

    Crops, and with ``vary`` augmentations of all, are drawn by (seed, epoch, triplet).
    """
    n_frames = max(1, round(config.crop_s * store.frames_per_second))
    n_roles = 3 if negatives else 2
    made = np.empty((n_roles, len(indices), int(store.shapes[0][0]), n_frames), np.float32)
    for b, index in enumerate(indices):
        rng = np.random.default_rng([config.seed, epoch, int(index)])
        for role in range(n_roles):
            tensor = store.tensor(triplets.rows[index, role])
            if role == 1:
                spec = triplets.augmentations[index]
                tensor = augmentation.apply(tensor, config.representation, spec)
            if vary:  # half as long again, for what a faster tempo takes away
                spec = augmentation.draw(rng)
                tensor = crop(tensor, round(1.5 * n_frames), rng)
                tensor = augmentation.apply(tensor, config.representation, spec)
            made[role, b] = crop(tensor, n_frames, rng)
    anchor, negative = triplets.labels[indices].T
    labels = np.stack([anchor, anchor, negative][:n_roles])
    return torch.from_numpy(made), torch.from_numpy(labels)


def ahead(
    make: Callable[[np.ndarray], Made], batches: Sequence[np.ndarray], *, depth: int = 2
) -> Iterator[Made]:
    """Yield ``make(batch)`` in order, made by a thread while the one before is in use."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for batch in batches:
            waiting.append(pool.submit(make, batch))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def crop(tensor: np.ndarray, n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Cut ``n_frames`` at a random place; a shorter tensor is repeated."""
    n = tensor.shape[1]
    if n < n_frames:
        tensor = np.tile(tensor, (1, -(-n_frames // n)))
        n = tensor.shape[1]
    start = int(rng.integers(0, n - n_frames + 1))
    return tensor[:, start : start + n_frames]
