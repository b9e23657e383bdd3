"""Which triplets to draw: strategies, draws for an anchor, seed, shares of a mix.

*Conventions.* A **kind** defines what anchor and positive have in common (their **label**):

``cluster``       label = cluster of the recording's track; positive = another of the cluster
``augmentation``  label = work; positive = the anchor, augmented by a drawn spec
``clique``        label = work; positive = another version of the work
``title``         label = title; positive = another recording with it: probably a version

A **strategy** is one of the kinds, or ``mix``: each draw takes one of the kinds that the anchor can
have, by their shares.

References
----------
The write-ups: cluster triplets ("Triplets from Music Info"), augmentation ("Deployment").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

LABEL_OF_KIND = {"cluster": "cluster", "augmentation": "work", "clique": "work", "title": "title"}
KINDS = tuple(LABEL_OF_KIND)
STRATEGIES = (*KINDS, "mix")
MIX_SHARES = MappingProxyType({"cluster": 1.0, "augmentation": 1.0, "clique": 1.0})
MINING_MODES = ("semi-hard", "hard")


@dataclass(frozen=True)
class SamplingConfig:
    """What to draw.

    Parameters
    ----------
    strategies : tuple of str
        Each once; see `STRATEGIES`.
    per_anchor : int
        Triplets of each strategy for an anchor.
    seed : int
    mix_shares : Mapping[str, float]
        Shares of the kinds in ``mix``; they need not sum to 1.

    Raises
    ------
    ValueError
        If a strategy or a kind is unknown, per_anchor is not positive, or the shares are negative or
        all 0.
    """

    strategies: tuple[str, ...]
    per_anchor: int
    seed: int
    mix_shares: Mapping[str, float] = field(default_factory=lambda: MIX_SHARES)

    def __post_init__(self) -> None:
        """Check names and ranges."""
        unknown = set(self.strategies) - set(STRATEGIES)
        if unknown:
            raise ValueError(f"strategy must be one of {STRATEGIES}, got {sorted(unknown)}")
        if self.per_anchor < 1:
            raise ValueError(f"per_anchor must be at least 1, got {self.per_anchor}")
        shares = dict(self.mix_shares)
        invalid = {k: s for k, s in shares.items() if k not in KINDS or not 0 <= s < math.inf}
        if invalid or not sum(shares.values()):
            raise ValueError(
                f"mix_shares must be numbers from 0 of {KINDS}, not all 0, got {invalid or shares}"
            )

    @property
    def kinds(self) -> list[str]:
        """Kinds that the strategies draw from."""
        mixed = [k for k, s in self.mix_shares.items() if s] if "mix" in self.strategies else []
        return [k for k in KINDS if k in self.strategies or k in mixed]
