"""All settings of one training, and the presets: the write-up's three, CoverNet and CQT-Net.

References
----------
The write-up "Deployment": ResNet-18 last block (batch 64, 8 epochs, lr 1e-4), ResNet-18 all
layers (batch 32, 8 epochs, lr 1e-5), CNN from scratch (batch 32, 10 epochs, lr 1e-5). Yu et al.
"Learning a representation for cover song identification using convolutional neural network." ICASSP
2020 (CQT-Net: Adam, batch 32, cross-entropy over works). Loshchilov, Hutter. "Decoupled weight decay
regularization." ICLR 2019 (AdamW).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from covers.training.settings import check_types

SCHEDULES = ("constant", "cosine")
BACKENDS = ("horovod", "horovod-spark", "torch-distributor")
OPTIMIZERS = ("adam", "adamw")


@dataclass(frozen=True)
class LossTraits:
    """What a loss asks of the batches."""

    needs_negatives: bool = False  # each triplet's own, rather than the batch's other classes
    cuts_segments: bool = False  # compares segments of the crops


LOSSES = {
    "triplet": LossTraits(needs_negatives=True),
    "batch_hard": LossTraits(),
    "supcon": LossTraits(),
    "ntxent": LossTraits(),
    "clews": LossTraits(cuts_segments=True),
}

_CHOICES = {"loss": tuple(LOSSES), "schedule": SCHEDULES, "optimizer": OPTIMIZERS}
_POSITIVE = (
    "batch_size", "epochs", "learning_rate", "temperature", "crop_s", "n_segments", "top_k_pairs",
    "max_grad_norm",
)  # fmt: skip
_NOT_NEGATIVE = ("weight_decay", "ce_loss_weight", "micro_batches", "patience")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training.

    Parameters
    ----------
    architecture, representation : str
        The network, and the spectrograms it takes.
    batch_size : int
        Triplets in a step, of all ranks together.
    epochs : int
    learning_rate, weight_decay : float
    loss : str
        One of `LOSSES`.
    margin : float
        Of the losses triplet and batch_hard.
    temperature : float
        Of supcon, ntxent, clews and the cross-entropy.
    ce_loss_weight : float
        Weight of a cross-entropy over all training labels, beside the loss; 0 is none.
    samples_per_class : int
        Samples of a work that a batch holds together, half of them anchors and half positives: an even
        number; the batch's other works are the negatives. 0 takes triplets as they are, with their own
        negatives.
    micro_batches : int
        Equal pieces of a batch, each normalised and compared by itself (ghost batch norm); a multiple of
        the ranks, and training is the same whatever their number. 0 is one for every rank.
    crop_s : float
        Length of a training example [s].
    n_segments : int
        Segments that the loss clews cuts a crop into.
    top_k_pairs : int
        Most similar pairs of segments by which the loss clews compares two crops of a work.
    max_grad_norm : float
    schedule : str
        Of the learning rate: constant, or cosine to zero after a warm-up.
    patience : int
        Epochs without a better validation triplet accuracy until training ends; 0 never ends it.
    augment : bool
        Augment every crop, not only positives by the triplets' specs.
    seed : int
    init_weights : str or None
        File of initial weights, or ``imagenet`` for ResNet-18.
    mixed_precision : bool
        Networks in bfloat16 where the device has it, losses in float32.
    compile : bool
        Compile the network by torch.compile. On a CPU, bfloat16 is used only then.
    optimizer : str
        adam (weight decay is part of the gradient, as in the write-up) or adamw (decoupled).
    whiten_head : bool
        Replace CoverNet's head by a whitening transform after the last epoch.

    Raises
    ------
    ValueError
        If a setting has another type or is out of its range.
    """

    architecture: str
    representation: str
    batch_size: int
    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    loss: str = "triplet"
    margin: float = 1.0
    temperature: float = 0.1
    ce_loss_weight: float = 0.0
    samples_per_class: int = 0
    micro_batches: int = 0
    crop_s: float = 10.0
    n_segments: int = 3
    top_k_pairs: int = 3
    max_grad_norm: float = 5.0
    schedule: str = "constant"
    patience: int = 0
    augment: bool = False
    seed: int = 123
    init_weights: str | None = None
    mixed_precision: bool = True
    compile: bool = False
    optimizer: str = "adam"
    whiten_head: bool = False

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check_types(self)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.samples_per_class < 0 or self.samples_per_class % 2:
            raise ValueError(
                f"samples_per_class must be 0 or an even number, got {self.samples_per_class}"
            )
        if self.samples_per_class and LOSSES[self.loss].needs_negatives:
            raise ValueError(
                f"samples_per_class must be 0 for the loss {self.loss}, which takes each triplet's own "
                f"negative, got {self.samples_per_class}"
            )
        if self.whiten_head and self.architecture != "covernet":
            raise ValueError(
                f"whiten_head must be false for {self.architecture!r}: only covernet has such a head"
            )

    @property
    def own_negatives(self) -> bool:
        """Whether batches hold the triplets' own negatives."""
        return self.samples_per_class == 0

    @property
    def anchors_per_class(self) -> int:
        """Triplets of a class that a batch holds together."""
        return max(1, self.samples_per_class // 2)

    @property
    def segments_per_crop(self) -> int:
        """Segments that a crop is cut into before it is embedded; 1 leaves it whole."""
        return self.n_segments if LOSSES[self.loss].cuts_segments else 1

    def to_dict(self) -> dict:
        """Return plain data, ready for JSON."""
        return asdict(self)


PRESETS = {
    "resnet18_last_block": TrainConfig("resnet18_last_block", "log_mel", 64, 8, 1e-4),
    "resnet18_all": TrainConfig("resnet18_all", "log_mel", 32, 8, 1e-5, weight_decay=1e-4),
    "cnn": TrainConfig("cnn", "log_mel", 32, 10, 1e-5, weight_decay=1e-4),
    "covernet": TrainConfig(
        "covernet", "chroma", 32, 12, 2e-3, weight_decay=1e-2, loss="supcon", margin=0.3,
        ce_loss_weight=0.3, samples_per_class=4, crop_s=30.0, schedule="cosine", augment=True,
        optimizer="adamw", whiten_head=True,
    ),
    "cqtnet": TrainConfig(
        "cqtnet", "log_frequency", 32, 12, 1e-3, weight_decay=1e-5, loss="supcon", margin=0.3,
        ce_loss_weight=1.0, samples_per_class=4, crop_s=60.0, schedule="cosine", augment=True,
    ),
}  # fmt: skip


def preset(name: str, **changes: object) -> TrainConfig:
    """Return a preset with the settings that are not None changed.

    With the loss triplet, ``samples_per_class`` is 0 unless it is given.

    Raises
    ------
    ValueError
        If the preset is unknown or a setting is out of range.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {sorted(PRESETS)}, got {name!r}")
    given = {k: v for k, v in changes.items() if v is not None}
    if "loss" in given and given["loss"] in LOSSES and LOSSES[str(given["loss"])].needs_negatives:
        given.setdefault("samples_per_class", 0)
    return replace(PRESETS[name], **given)  # type: ignore[arg-type]
