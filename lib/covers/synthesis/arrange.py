"""Arrangements: the notes of a version of a song, as its spec asks for them.

*Conventions.* Inside, notes are in beats; a `Score` is in seconds. Notes are (n, 4) float64: onset [s],
duration [s], MIDI pitch (fractional where detuned), velocity 0-1. ``drums`` holds (n, 3): onset [s],
kind (0 kick, 1 snare, 2 hat), velocity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from covers.synthesis.accompaniment import (
    accompany,
    play_bass,
    play_drums,
    repeat_riff,
    substitute_chords,
)
from covers.synthesis.chords import Chord
from covers.synthesis.melody import harmonize, improvise, perturb_pitches, select_notes, vary
from covers.synthesis.song import Song
from covers.synthesis.version_spec import UNACCOMPANIED, WRITTEN, VersionSpec

ACCOMPANIMENT_VELOCITY = 0.7  # factor of a written one, as loud as those of `accompany`
TAIL_S = 1.0  # after the last beat

Clock = Callable[[np.ndarray], np.ndarray]  # beats -> seconds


@dataclass(frozen=True)
class Score:
    """The notes of a version: by part (instrument, notes), the drums, and the length."""

    parts: dict[str, tuple[str, np.ndarray]]
    drums: np.ndarray
    duration_s: float


def arrange(song: Song, spec: VersionSpec) -> Score:
    """Return the score of a version; `VersionSpec` has what each field does."""
    rng = np.random.default_rng(spec.seed)
    melody, chords, written, n_beats = _assemble_form(song, spec, rng)
    pitches = song.melody[:, 2]
    melody = perturb_pitches(vary(melody, spec, rng), pitches, spec)
    voices = np.concatenate([melody, harmonize(melody, pitches, spec)])
    chords = substitute_chords(chords, spec.substitutions, rng)
    to_seconds = _tempo_map(song.tempo * spec.tempo_ratio, spec, n_beats, rng)
    parts = {"lead": (spec.lead, voices + np.array([0, 0, 12 * spec.octave, 0]))}
    if spec.pattern != UNACCOMPANIED:
        accompaniment = written if spec.pattern == WRITTEN else accompany(chords, spec)
        riff = repeat_riff(song, melody, n_beats, spec)
        parts["chords"] = (spec.chord_instrument, np.concatenate([accompaniment, riff]))
    if spec.bass != "none":
        parts["bass"] = ("bass", play_bass(chords, spec.bass))
    played = {
        name: (instrument, _perform(notes, name, spec, n_beats, to_seconds))
        for name, (instrument, notes) in parts.items()
    }
    drums = play_drums(spec.drums, n_beats)
    if len(drums):
        velocity = drums[:, 2] * spec.gain.get("drums", 1.0)
        drums = np.stack([to_seconds(drums[:, 0]), drums[:, 1], velocity], axis=1)
    return Score(played, drums, float(to_seconds(np.array([n_beats]))[0]) + TAIL_S)


def _perform(
    notes: np.ndarray, part: str, spec: VersionSpec, n_beats: float, to_seconds: Clock
) -> np.ndarray:
    """Return the notes of a part in the version's key, tempo and gain, in seconds."""
    shift = spec.transpose + spec.tuning_cents / 100
    pitch = notes[:, 2] + (shift + spec.key_change * (notes[:, 0] >= n_beats * 2 / 3))
    onset, end = to_seconds(notes[:, 0]), to_seconds(notes[:, 0] + notes[:, 1])
    velocity = notes[:, 3] * spec.gain.get(part, 1.0)
    return np.stack([onset, np.maximum(end - onset, 0.05), pitch, velocity], axis=1)


def _assemble_form(
    song: Song, spec: VersionSpec, rng: np.random.Generator
) -> tuple[np.ndarray, list[Chord], np.ndarray, float]:
    """Concatenate intro, phrases and outro, in beats.

    Returns
    -------
    melody : np.ndarray, shape (n, 4)
    chords : list of Chord
    accompaniment : np.ndarray, shape (m, 4)
        The song's own.
    n_beats : float
        Length of it all.
    """
    melody, written, chords, now = [], [], [], 0.0
    for start, end, lead in _sections(song, spec):
        section_chords = [
            (max(onset, start) - start + now, min(onset + length, end) - max(onset, start), root, quality)
            for onset, length, root, quality in song.chords
            if min(onset + length, end) > max(onset, start)
        ]  # fmt: skip
        if lead == "melody":
            melody.append(select_notes(song.melody, start, end, now))
        elif lead == "solo":
            centre = float(np.median(song.melody[:, 2]))
            melody.append(improvise(section_chords, centre, rng))
        written.append(select_notes(song.accompaniment, start, end, now))
        chords += section_chords
        now += end - start
    notes, accompaniment = np.concatenate(melody), np.concatenate(written)
    accompaniment[:, 3] *= ACCOMPANIMENT_VELOCITY
    return np.column_stack([notes, np.full(len(notes), 0.9)]), chords, accompaniment, now


def _sections(song: Song, spec: VersionSpec) -> list[tuple[float, float, str]]:
    """Return (start [beats], end [beats], lead) in the order played; lead: melody, solo or none."""
    form = spec.form or tuple(range(len(song.phrases)))
    sections = [
        (*song.phrases[index], "solo" if at == spec.solo else "melody")
        for at, index in enumerate(form)
    ]
    if spec.intro:
        start, end, _ = sections[0]
        sections.insert(0, (start, min(start + spec.intro, end), "none"))
    if spec.outro:
        start, end, _ = sections[-1]
        sections.append((max(end - spec.outro, start), end, "none"))
    return sections


def _tempo_map(bpm: float, spec: VersionSpec, n_beats: float, rng: np.random.Generator) -> Clock:
    """Return beats -> seconds: the tempo sways slowly by ``drift``, half beats are late by ``swing``."""
    marks = np.arange(0, n_beats + 9)
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(16, 48)
    beat_s = 60 / bpm * (1 + spec.drift * np.sin(2 * np.pi * marks / period + phase))
    at = np.concatenate([[0.0], np.cumsum(beat_s[:-1])])
    half = 0.5 * (1 + spec.swing)

    def to_seconds(beats: np.ndarray) -> np.ndarray:
        whole = np.floor(beats)
        return np.interp(whole + np.interp(beats - whole, (0, 0.5, 1), (0, half, 1)), marks, at)

    return to_seconds
