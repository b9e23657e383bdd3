"""Melodies of versions: varied, perturbed, harmonized, improvised.

*Conventions.* Notes are (n, 4) float64: onset and duration [beats], MIDI pitch, velocity 0-1; (n, 3)
without velocity. ``written`` are the pitches of the song's melody: their pitch classes are its scale.
"""

from __future__ import annotations

import numpy as np

from covers.synthesis.chords import QUALITIES, Chord
from covers.synthesis.version_spec import VersionSpec


def improvise(chords: list[Chord], centre: float, rng: np.random.Generator) -> np.ndarray:
    """Return a solo, (n, 3): eighths and quarters on chord tones around the pitch ``centre``."""
    notes = []
    for onset, length, root, quality in chords:
        at = 0.0
        while at < length:
            step = float(rng.choice([0.5, 0.5, 1.0]))
            tone = root + QUALITIES[quality][rng.integers(len(QUALITIES[quality]))]
            pitch = tone + 12 * round((centre + rng.normal(0, 5) - tone) / 12)
            notes.append((onset + at, min(step, length - at), float(pitch)))
            at += step
    return np.array(notes, dtype=float).reshape(-1, 3)


def select_notes(notes: np.ndarray, start: float, end: float, to: float) -> np.ndarray:
    """Return the notes that begin in [start, end), moved so that ``start`` becomes ``to`` [beats]."""
    inside = notes[(notes[:, 0] >= start) & (notes[:, 0] < end)].copy()
    inside[:, 0] += to - start
    return inside


def vary(melody: np.ndarray, spec: VersionSpec, rng: np.random.Generator) -> np.ndarray:
    """Return a melody (n, 4) with notes dropped, delayed, ornamented and slid into, as the spec asks."""
    on_beat = np.abs(melody[:, 0] - np.round(melody[:, 0])) < 0.1
    dropped = rng.random(len(melody)) < np.where(on_beat, spec.drop, max(spec.drop, spec.simplify))
    kept = melody[~dropped].copy()
    late = rng.random(len(kept)) < spec.syncopation
    kept[late, 0] += 0.5
    kept[late, 1] = np.maximum(kept[late, 1] - 0.5, 0.25)
    ornate = kept[rng.random(len(kept)) < spec.ornaments].copy()
    ornate[:, 1] = 0.2
    ornate[:, 0] -= 0.2
    ornate[:, 2] += rng.choice([-2, -1, 1, 2], size=len(ornate))
    notes = [kept, ornate[ornate[:, 0] >= 0]]
    if spec.pitch_slides:
        slides = kept[rng.random(len(kept)) < spec.pitch_slides].copy()
        slides[:, 1] = np.minimum(slides[:, 1], 0.2)
        slides[:, 2] -= rng.choice([1, 1, 2], size=len(slides))
        notes.append(slides)
    return np.concatenate(notes)


def perturb_pitches(melody: np.ndarray, written: np.ndarray, spec: VersionSpec) -> np.ndarray:
    """Move some notes of a melody to a neighbour in the scale of the pitches ``written``."""
    rng = np.random.default_rng([spec.seed, 2])
    scale, perturbed = _scale_pitches(written), melody.copy()
    chosen = rng.random(len(melody)) < spec.pitch_perturbation
    place = np.searchsorted(scale, melody[chosen, 2]) + rng.choice([-1, 1], size=chosen.sum())
    perturbed[chosen, 2] = scale[np.clip(place, 0, len(scale) - 1)]
    return perturbed


def _scale_pitches(written: np.ndarray) -> np.ndarray:
    """Return all pitches whose pitch class is among those ``written``, ascending."""
    return np.flatnonzero(np.isin(np.arange(-12, 152) % 12, np.unique(written % 12))) - 12.0


def harmonize(melody: np.ndarray, written: np.ndarray, spec: VersionSpec) -> np.ndarray:
    """Return a second voice to some notes of a melody, in the scale of the pitches ``written``."""
    rng = np.random.default_rng([spec.seed, 3])
    scale, voice = _scale_pitches(written), melody[rng.random(len(melody)) < spec.harmony].copy()
    place = np.searchsorted(scale, voice[:, 2]) + spec.harmony_interval
    voice[:, 2] = scale[np.clip(place, 0, len(scale) - 1)]
    voice[:, 3] *= 0.7
    return voice
