"""Batches of an epoch: their order, the crops of one, and one made ahead while another is used.

*Conventions.* The order of an epoch is a permutation of all triplets by (seed, epoch), in groups of
one class where samples of a class are wanted together. A global batch is the next ``batch_size`` of
it, and micro-batch m of n takes every n-th group: micro-batches are disjoint, complete and equally
long, and global batches are the same whatever n. Crops and augmentations are drawn by (seed, epoch,
triplet), so a batch is the same on every rank and after a resumption.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from covers.audio.augmentation.spec import sample_augmentation
from covers.audio.augmentation.tensor import augment_tensor
from covers.training.config import TrainConfig
from covers.training.dataset import Triplets

T = TypeVar("T")


@dataclass(frozen=True)
class BatchOrder:
    """Which triplets are in which micro-batch of which step.

    Parameters
    ----------
    labels : np.ndarray, shape (n,)
        Class of each triplet's anchor.
    batch_size : int
        Triplets of a global batch.
    n_micro_batches : int
    seed : int
    anchors_per_class : int
        Triplets of a class in a row of the order, where the class has so many.

    Raises
    ------
    ValueError
        If the batch cannot be cut into equal micro-batches.
    """

    labels: np.ndarray
    batch_size: int
    n_micro_batches: int
    seed: int
    anchors_per_class: int = 1

    @classmethod
    def from_config(
        cls, config: TrainConfig, labels: np.ndarray, n_micro_batches: int
    ) -> BatchOrder:
        """Return the order that a training's settings ask for."""
        return cls(
            labels, config.batch_size, n_micro_batches, config.seed, config.anchors_per_class
        )

    def __post_init__(self) -> None:
        """Check that micro-batches are equal."""
        if self.batch_size % (self.n_micro_batches * self.anchors_per_class):
            raise ValueError(
                f"batch_size must be a multiple of {self.n_micro_batches} micro-batches x "
                f"{self.anchors_per_class} anchors of a class, got {self.batch_size}"
            )

    @property
    def n_steps(self) -> int:
        """Steps of an epoch."""
        return len(self.indices(epoch=0, micro_batch=0))

    def indices(self, *, epoch: int, micro_batch: int) -> list[np.ndarray]:
        """Return the triplets of a micro-batch at every step of an epoch.

        What is left over by a division is not trained on in this epoch.
        """
        rng = np.random.default_rng([self.seed, epoch])
        groups = _group_by_class(self.labels, self.anchors_per_class, rng)
        # A set smaller than a batch is one batch, of as many groups as can be shared equally.
        shared = len(groups) // self.n_micro_batches * self.n_micro_batches
        size = min(self.batch_size // self.anchors_per_class, shared)
        if not size:
            return []
        starts = range(0, len(groups) - size + 1, size)
        return [groups[i : i + size][micro_batch :: self.n_micro_batches].ravel() for i in starts]


def _group_by_class(labels: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n // size, size) triplets in random order, of one class a row where there are enough."""
    order = rng.permutation(len(labels))
    if size == 1:
        return order[:, None]
    order = order[np.argsort(labels[order], kind="stable")]
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(first, count)
    in_full_row = place < np.repeat(count // size * size, count)
    rest = rng.permutation(order[~in_full_row])
    groups = np.concatenate([order[in_full_row], rest[: len(rest) // size * size]])
    return rng.permutation(groups.reshape(-1, size))


def load_batch(
    triplets: Triplets,
    indices: np.ndarray,
    config: TrainConfig,
    *,
    epoch: int,
    augment: bool,
    negatives: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the crops and labels of a batch.

    Parameters
    ----------
    triplets : Triplets
    indices : np.ndarray, shape (B,)
    config : TrainConfig
        ``crop_s``, ``representation`` and ``seed`` count.
    epoch : int
    augment : bool
        Augment every crop.
    negatives : bool

    Returns
    -------
    crops : torch.Tensor, shape (r, B, n_bins, T), float32
        r is 3 (anchors, positives, negatives), or 2 without negatives.
    labels : torch.Tensor, shape (r, B), int64
    """
    store = triplets.store
    n_frames = max(1, round(config.crop_s * store.frames_per_second))
    n_roles = 3 if negatives else 2
    made = np.empty((n_roles, len(indices), int(store.shapes[0][0]), n_frames), np.float32)
    for b, index in enumerate(indices):
        rng = np.random.default_rng([config.seed, epoch, int(index)])
        for role in range(n_roles):
            tensor = store.tensor(triplets.rows[index, role])
            if role == 1:
                spec = triplets.augmentations[index]
                tensor = augment_tensor(tensor, config.representation, spec)
            if augment:  # on half as many frames again, since a faster tempo uses more of them
                spec = sample_augmentation(rng)
                tensor = crop(tensor, round(1.5 * n_frames), rng)
                tensor = augment_tensor(tensor, config.representation, spec)
            made[role, b] = crop(tensor, n_frames, rng)
    anchor, negative = triplets.labels[indices].T
    labels = np.stack([anchor, anchor, negative][:n_roles])
    return torch.from_numpy(made), torch.from_numpy(labels)


def crop(tensor: np.ndarray, n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Cut ``n_frames`` of a tensor (n_bins, T) at a random place; a shorter tensor is repeated."""
    n = tensor.shape[1]
    if n < n_frames:
        tensor = np.tile(tensor, (1, -(-n_frames // n)))
        n = tensor.shape[1]
    start = int(rng.integers(0, n - n_frames + 1))
    return tensor[:, start : start + n_frames]


def prefetch(
    make: Callable[[np.ndarray], T], batches: Sequence[np.ndarray], *, depth: int = 2
) -> Iterator[T]:
    """Yield ``make(batch)`` in order, made by a thread while the one before is in use.

    A thread and not torch's DataLoader: without workers a DataLoader makes nothing ahead, and its
    workers are forked anew for each epoch, out of a process in which Horovod's threads run, and copy
    every batch. A batch is made by numpy, which lets other threads run meanwhile.
    """
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for batch in batches:
            waiting.append(pool.submit(make, batch))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
