"""The six attributes as vectors.

*Conventions.* ``x_vector`` is the write-up's: danceability, energy, key, mode, valence, tempo
(BPM). Encoding ``raw`` is exactly what the write-up clustered: the same with tempo min-max scaled
over the catalogue, the key left at 0-11. Encoding ``musical`` has z-scores for danceability,
energy, valence and tempo, the mode as +-0.5, and the key on the circle of fifths with radius 0.5,
so that C and G are close and "unknown" (-1) is its centre. Tempo 0 (not detected) becomes the
mean tempo in ``musical`` and stays 0 in ``raw``.

References
----------
The write-up "Triplets from Music Info", section "X_vector".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

ENCODINGS = ("raw", "musical")
X_VECTOR = ("danceability", "energy", "key", "mode", "valence", "tempo")
KEY_RADIUS = 0.5
MAX_TEMPO = 1000  # [BPM]


@dataclass(frozen=True)
class Scaler:
    """Scaling fitted on the catalogue: range of tempo, mean and standard deviation of the rest."""

    tempo_min: float
    tempo_max: float
    mean: dict[str, float]
    std: dict[str, float]

    def to_dict(self) -> dict:
        """Return it as plain data, ready for JSON."""
        return asdict(self)
