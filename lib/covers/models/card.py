"""A model's card: what it is, how its embeddings are extracted and compared, and its calibration.

*Conventions.* Durations are in seconds. A window is (length, hop). A card is stored as JSON beside the
weights or in the column `models.config`; keys of earlier versions are read by `covers.models.legacy`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from covers.audio.features import parameters
from covers.errors import InputError
from covers.models import factory, legacy
from covers.models.covernet import CoverNet

Window = tuple[float, float]  # length, hop [s]
SEGMENT_S: Window = (40.0, 20.0)
FRAME_S: Window = (4.0, 2.0)


@dataclass(frozen=True)
class Calibration:
    """A line from scores to the log odds of a cover, at even prior odds.

    Parameters
    ----------
    slope, intercept : float
        Of the distance or its S-norm.
    n_covers, n_non_covers : int
        Pairs that it was fitted on.
    alignment_slope : float
        Of the alignment score; 0 where there is none.
    """

    slope: float
    intercept: float
    n_covers: int
    n_non_covers: int
    alignment_slope: float = 0.0

    def log_odds(self, scores: np.ndarray, alignment: np.ndarray | float = 0.0) -> np.ndarray:
        """Return log odds of a cover where covers and non-covers are equally many."""
        return self.intercept + self.slope * scores + self.alignment_slope * alignment


@dataclass(frozen=True)
class ModelCard:
    """What must be known of a model to use it.

    Parameters
    ----------
    architecture : str
        One of `covers.models.factory.ARCHITECTURES`.
    representation : str
        Features that it takes.
    seed : int
        Of random weights, where the model has none of its own.
    crop_s : float
        Length of the crops whose embeddings are averaged, for networks that see crops [s].
    tempo_factors : tuple of float
        Test-time tempo augmentation of a query: its own tempo, 1, first; the nearest counts.
    segment_s, frame_s : (length, hop) [s], or None
        Windows of segment embeddings, by which tracks are compared besides, and of frame embeddings, by
        which they are aligned. None: not used. Only CoverNet has them.
    calibration : mapping of str to Calibration
        By the scores that it takes: ``distance``, ``s_norm``, ``distance_alignment``, ``fused``
        (`covers.retrieval.scoring.Scores.log_odds`).
    details : mapping
        Everything else: settings of the training, provenance.

    Raises
    ------
    InputError
        If a value cannot be used; the message names the key.
    """

    architecture: str
    representation: str
    seed: int = 0
    crop_s: float = 10.0
    tempo_factors: tuple[float, ...] = (1.0,)
    segment_s: Window | None = None
    frame_s: Window | None = None
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the architecture, the tempo factors and the windows."""
        if self.architecture not in factory.ARCHITECTURES:
            raise InputError(
                f"architecture on a model's card must be one of {tuple(factory.ARCHITECTURES)}, got "
                f"{self.architecture!r}"
            )
        factors = self.tempo_factors
        if not factors or factors[0] != 1 or not all(0.25 <= f <= 4 for f in factors):
            raise InputError(
                f"tempo_factors on a model's card must be 0.25 to 4, the first 1, got {list(factors)}"
            )
        for key in ("segment_s", "frame_s"):
            self._check_window(key, getattr(self, key))
        # Frames are cut out of CoverNet's activations: one a step, so that none is interpolated.
        step = CoverNet.STRIDE / parameters("chroma").frames_per_second
        if self.frame_s and (self.frame_s[1] != step or self.frame_s[0] % step):
            raise InputError(
                f"frame_s on a model's card must be a multiple of {step:g} s, and {step:g} s, got "
                f"{list(self.frame_s)}; [4, 2] is usual"
            )

    def _check_window(self, key: str, window: Window | None) -> None:
        if window is None:
            return
        if not factory.ARCHITECTURES[self.architecture].has_sequences:
            raise InputError(
                f"{key} on a model's card is for covernet, got architecture {self.architecture!r}; "
                "remove it"
            )
        if len(window) != 2 or not all(math.isfinite(x) and x > 0 for x in window):
            raise InputError(
                f"{key} on a model's card must be a length and a hop above 0 [s], got {list(window)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; `card_from_dict` reads it."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "details"}
        own["calibration"] = {kind: asdict(line) for kind, line in self.calibration.items()}
        own["tempo_factors"] = list(self.tempo_factors)
        return dict(self.details) | own

    def without_sequences(self) -> ModelCard:
        """Return the card of the same model compared by track embeddings alone."""
        return replace(self, segment_s=None, frame_s=None)


def card_from_dict(stored: Mapping[str, Any]) -> ModelCard:
    """Return a card from its stored form, of this or an earlier version.

    A CoverNet's windows are the usual ones unless the card has others, or null for none.

    Raises
    ------
    InputError
        As `ModelCard` does, or if a value has the wrong type.
    """
    config = legacy.card(stored)
    name = config.pop("architecture", "covernet")
    known = factory.ARCHITECTURES.get(name)
    has_sequences = known is not None and known.has_sequences
    windows = {"segment_s": SEGMENT_S, "frame_s": FRAME_S} if has_sequences else {}
    try:
        return ModelCard(
            architecture=name,
            representation=config.pop("representation", known.representation if known else ""),
            seed=int(config.pop("seed", 0)),
            crop_s=float(config.pop("crop_s", known.crop_s if known else 10.0)),
            tempo_factors=tuple(float(f) for f in config.pop("tempo_factors", (1.0,))),
            segment_s=_window(config.pop("segment_s", windows.get("segment_s"))),
            frame_s=_window(config.pop("frame_s", windows.get("frame_s"))),
            calibration={
                kind: Calibration(**legacy.calibration(line))
                for kind, line in (config.pop("calibration", None) or {}).items()
            },
            details=config,
        )
    except (TypeError, ValueError) as error:
        raise (
            error
            if isinstance(error, InputError)
            else InputError(
                f"a model's card must have numbers where they belong, got {dict(stored)!r} ({error})"
            )
        ) from error


def _window(stored: Any) -> Window | None:
    return tuple(float(x) for x in stored) if stored is not None else None  # type: ignore[return-value]
