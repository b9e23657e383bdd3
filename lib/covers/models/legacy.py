"""Names that earlier versions stored, read in their old form: cards, weights, systems, metrics.

The one place for it. Nothing here is written any more; flags that were renamed are in `covers.cli.parser`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

CARD = {  # key of a model's card or settings: what it is called now
    "network": "architecture", "tempi": "tempo_factors", "windows_s": "segment_s", "alignment_s": "frame_s",
    "towers": "backbones", "joined": "ensemble_of", "parts": "micro_batches", "vary": "augment",
    "class_weight": "ce_loss_weight", "best_pairs": "top_k_pairs", "segments": "n_segments",
    "weights": "init_weights",
}  # fmt: skip
# Lines of earlier versions that took the raw alignment score have no equivalent and are dropped.
CALIBRATION = {"deviation": "s_norm", "distance and alignment": "distance_alignment"}
DROPPED = {"deviation and alignment"}
CALIBRATION_LINE = {"n_others": "n_non_covers", "slope_of_alignment": "alignment_slope"}
VERSION_SPEC = {  # fields of a version's spec, in `recordings.spec`
    "lift": "key_change", "scoops": "pitch_slides", "altered": "pitch_perturbation", "room": "reverb",
    "font": "soundfont", "tone_db": "eq_db", "interval": "harmony_interval",
}  # fmt: skip
METRICS = {
    "told_by_key": "key_purity",
    "nn_accuracy": "triplet_accuracy", "writeup_nn_accuracy": "writeup_triplet_accuracy",
    "validation_nn_accuracy": "validation_triplet_accuracy",  # a column of `training_epochs`, too
}  # fmt: skip


def card(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card with today's keys.

    Examples
    --------
    >>> card({"network": "covernet", "tempi": [1.0], "pairs_per_work": 2})
    {'architecture': 'covernet', 'tempo_factors': [1.0], 'samples_per_class': 4}
    """
    found = {CARD.get(key, key): value for key, value in stored.items()}
    if "pairs_per_work" in found:  # of one pair: plain triplets
        n_pairs = found.pop("pairs_per_work")
        found["samples_per_class"] = 2 * n_pairs if n_pairs > 1 else 0
    if isinstance(found.get("calibration"), Mapping):
        lines = found["calibration"].items()
        found["calibration"] = {
            CALIBRATION.get(name, name): line for name, line in lines if name not in DROPPED
        }
    return found


def calibration(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a calibration line with today's keys.

    Examples
    --------
    >>> calibration({"slope": -9.0, "n_others": 5})
    {'slope': -9.0, 'n_non_covers': 5}
    """
    return {CALIBRATION_LINE.get(key, key): value for key, value in stored.items()}


def weights(stored: Mapping[str, T]) -> dict[str, T]:
    """Return weights with today's keys.

    Examples
    --------
    >>> weights({"towers.0.1.time.weight": 1, "head.weight": 2})
    {'backbones.0.1.time.weight': 1, 'head.weight': 2}
    """
    prefix = "towers."
    return {
        f"backbones.{key.removeprefix(prefix)}" if key.startswith(prefix) else key: value
        for key, value in stored.items()
    }


def metric(stored: str) -> str:
    """Return what a metric of `evaluations` or `training_epochs` is called now.

    Examples
    --------
    >>> metric("nn_accuracy"), metric("map")
    ('triplet_accuracy', 'map')
    """
    return METRICS.get(stored, stored)


def version_spec(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version's spec with today's keys.

    Examples
    --------
    >>> version_spec({"lift": 2, "font": "a.sf2", "transpose": 1})
    {'key_change': 2, 'soundfont': 'a.sf2', 'transpose': 1}
    """
    return {VERSION_SPEC.get(key, key): value for key, value in stored.items()}
