"""All settings of one training, and the presets: the write-up's three, covernet and CQT-Net.

References
----------
The write-up "Deployment": ResNet-18 last block (batch 64, 8 epochs, lr 1e-4), ResNet-18 all
layers (batch 32, 8 epochs, lr 1e-5), CNN from scratch (batch 32, 10 epochs, lr 1e-5). CQT-Net's paper
(Adam, batch 32, works as classes); the loss beside the classes, crops and their changes are covernet's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

LOSSES = ("triplet", "batch_hard", "supcon", "ntxent", "clews")
SCHEDULES = ("constant", "cosine")
BACKENDS = ("horovod", "horovod-spark", "torch-distributor")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training; ``batch_size`` counts triplets over all ranks together."""

    architecture: str
    representation: str
    batch_size: int
    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    loss: str = "triplet"
    margin: float = 1.0
    temperature: float = 0.1
    class_weight: float = 0.0  # of the cross-entropy over all training labels, beside the loss
    # 1: triplets as they are. More: so many pairs of one work together in a batch, and the batch's
    # other works, not the triplets' own negatives, are what they are told from.
    pairs_per_work: int = 1
    # That a batch is cut in, each normalised and compared for itself: 0, one for every rank. With a number,
    # a multiple of the ranks, the same training whatever their number.
    parts: int = 0
    crop_s: float = 10.0
    segments: int = 3  # that the loss clews cuts a crop in
    best_pairs: int = 3  # of segments, by which the loss clews compares two crops of a work
    max_grad_norm: float = 5.0
    schedule: str = "constant"
    patience: int = 0
    vary: bool = False
    seed: int = 123
    weights: str | None = None
    mixed_precision: bool = True  # where the device has it: networks in bfloat16, losses in float32
    compile: bool = False  # the network, by torch.compile; a CPU's bfloat16 is taken only then

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, got {self.loss!r}")
        for name in (
            "batch_size", "epochs", "learning_rate", "crop_s", "temperature", "segments", "best_pairs",
        ):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.pairs_per_work < 1 or (self.loss == "triplet" and self.pairs_per_work > 1):
            raise ValueError(
                f"pairs_per_work must be 1 or more, and 1 for the loss triplet, got {self.pairs_per_work}"
            )
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {SCHEDULES}, got {self.schedule!r}")
        if self.parts < 0:
            raise ValueError(f"parts must be 0 (one for every rank) or more, got {self.parts}")
        if self.patience < 0:
            raise ValueError(f"patience must be 0 or more epochs, got {self.patience}")
        if self.class_weight < 0:
            raise ValueError(f"class_weight must be 0 or more, got {self.class_weight}")

    def to_dict(self) -> dict:
        """Return plain data, ready for JSON."""
        return asdict(self)


PRESETS = {
    "resnet18_last_block": TrainConfig("resnet18_last_block", "log_mel", 64, 8, 1e-4),
    "resnet18_all": TrainConfig("resnet18_all", "log_mel", 32, 8, 1e-5, weight_decay=1e-4),
    "cnn": TrainConfig("cnn", "log_mel", 32, 10, 1e-5, weight_decay=1e-4),
    "covernet": TrainConfig(
        "covernet", "chroma", 32, 12, 2e-3, weight_decay=1e-2, loss="supcon", margin=0.3,
        class_weight=0.3, pairs_per_work=2, crop_s=30.0, schedule="cosine", vary=True,
    ),
    "cqtnet": TrainConfig(
        "cqtnet", "log_frequency", 32, 12, 1e-3, weight_decay=1e-5, loss="supcon", margin=0.3,
        class_weight=1.0, pairs_per_work=2, crop_s=60.0, schedule="cosine", vary=True,
    ),
}  # fmt: skip


def preset(name: str, **changes: object) -> TrainConfig:
    """Return a preset with the settings that are not None changed.

    Raises
    ------
    ValueError
        If the preset is unknown or a setting is out of range.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {sorted(PRESETS)}, got {name!r}")
    given = {k: v for k, v in changes.items() if v is not None}
    if given.get("loss") == "triplet":  # which takes each triplet's own negative
        given.setdefault("pairs_per_work", 1)
    return replace(PRESETS[name], **given)  # type: ignore[arg-type]
