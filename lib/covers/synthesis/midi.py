"""Songs read from files: POP909's folders, and any MIDI file.

*Conventions.* As `covers.synthesis.song`: time in beats. A MIDI file's melody is the track that says so in
its name, else the one that is highest and of one voice; its chords are estimated, which
``Song.chords_from`` tells, and everything but melody and drums is the accompaniment.

References
----------
Wang et al. "POP909: A Pop-song Dataset for Music Arrangement Generation." ISMIR 2020 (MIT).
Fujishima. "Realtime chord recognition of musical sound." ICMC 1999 (templates).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import mido
import numpy as np

from covers.synthesis.song import QUALITIES, Chord, Song, estimate_tonic, parse_chord

MAX_TRACKS, MAX_BEATS = 256, 4_000
TEMPI = (20.0, 400.0)  # beats a minute
DRUM_CHANNEL = 9
_MELODY = re.compile("melod|vocal|voice|lead|sing", re.IGNORECASE)


def read_pop909(folder: Path) -> Song:
    """Read one song of POP909: MIDI melody and accompaniment (bridge and piano), chords, beats.

    Raises
    ------
    ValueError
        If a file is missing or broken, or the melody has no notes.
    """
    try:
        beats = np.loadtxt(folder / "beat_midi.txt", ndmin=2)[:, 0]
        midi = mido.MidiFile(folder / f"{folder.name}.mid")
        chord_lines = (folder / "chord_midi.txt").read_text().split("\n")
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise ValueError(f"song must be a POP909 folder, got {folder.name!r}: {error}") from error
    if len(beats) < 8:
        raise ValueError(f"song must have at least 8 beats, got {len(beats)} in {folder.name!r}")
    to_beats = _clock(beats)
    melody, accompaniment = (
        _in_beats(_notes_of(midi, names), to_beats) for names in (("MELODY",), ("BRIDGE", "PIANO"))
    )
    if not len(melody):
        raise ValueError(f"song must have a MELODY track with notes, got none in {folder.name!r}")
    chords: list[Chord] = []
    for line in filter(None, (row.split() for row in chord_lines)):
        parsed = parse_chord(line[2])
        if parsed:
            a, b = (float(x) for x in to_beats(np.array([float(line[0]), float(line[1])])))
            chords.append((a, b - a, *parsed))
    melody = melody[:, :3]
    tonic, mode = estimate_tonic(melody)
    tempo = 60.0 / float(np.median(np.diff(beats)))
    return Song(
        f"pop909-{folder.name}",
        f"POP909 {folder.name}",
        tonic,
        mode,
        tempo,
        melody,
        tuple(chords),
        phrases_of(melody),
        accompaniment,
    )


def _clock(beats: np.ndarray):
    """Return seconds -> beats, going on at the end's tempo outside the marked beats."""
    step = float(np.median(np.diff(beats)))
    n_before = int(np.ceil(max(beats[0], 0) / step)) + 1
    marks = np.concatenate(
        [beats[0] - step * np.arange(n_before, 0, -1), beats, beats[-1] + step * np.arange(1, 200)]
    )
    return lambda seconds: np.interp(seconds, marks, np.arange(len(marks)) - n_before)


def _in_beats(notes: np.ndarray, to_beats: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Take onset and duration of (n, 4) notes from seconds to beats."""
    start, end = to_beats(notes[:, 0]), to_beats(notes[:, 0] + notes[:, 1])
    return np.column_stack([start, np.maximum(end - start, 0.125), notes[:, 2:]])


def _notes_of(midi: mido.MidiFile, names: tuple[str, ...]) -> np.ndarray:
    """Return (n, 4): onset and duration in seconds, pitch, velocity, of the tracks so named."""
    tempi, now = [(0, 500_000)], 0
    for message in midi.tracks[0]:
        now += message.time
        if message.type == "set_tempo":
            tempi.append((now, message.tempo))
    ticks = np.array([t for t, _ in tempi], dtype=float)
    per_tick = np.array([t for _, t in tempi]) / 1e6 / midi.ticks_per_beat
    at = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * per_tick[:-1])])

    def seconds(tick: int) -> float:
        i = int(np.searchsorted(ticks, tick, side="right")) - 1
        return float(at[i] + (tick - ticks[i]) * per_tick[i])

    notes = [
        part
        for track in midi.tracks
        if track.name.upper() in names
        for part in _channels(track, seconds).values()
    ]
    together = np.concatenate([*notes, np.empty((0, 4))])
    return together[np.lexsort(together.T[::-1])]


def read_midi(path: Path) -> Song:
    """Read any MIDI file as a song: melody and accompaniment as written, chords estimated.

    Raises
    ------
    ValueError
        If the file is broken, has no notes or no length, too many tracks, or a tempo out of range.
    """
    try:
        midi = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise ValueError(
            f"song must be a MIDI file, got {path.name!r}: {error or 'cut off'}"
        ) from error
    if len(midi.tracks) > MAX_TRACKS:
        raise ValueError(
            f"tracks must be at most {MAX_TRACKS}, got {len(midi.tracks)} in {path.name!r}"
        )
    if midi.ticks_per_beat <= 0:
        raise ValueError(
            f"ticks_per_beat must be positive, got {midi.ticks_per_beat} in {path.name!r}"
        )
    tempi = [
        60e6 / m.tempo for t in midi.tracks for m in t if m.type == "set_tempo" and m.tempo
    ] or [120.0]
    if not all(TEMPI[0] <= bpm <= TEMPI[1] for bpm in tempi):
        raise ValueError(
            f"tempo must be {TEMPI[0]:g} to {TEMPI[1]:g} BPM, got {min(tempi):g} to {max(tempi):g} in "
            f"{path.name!r}"
        )
    parts = {
        (track.name, number, channel): notes
        for number, track in enumerate(midi.tracks)
        for channel, notes in _channels(track, lambda ticks: ticks / midi.ticks_per_beat).items()
        if channel != DRUM_CHANNEL
    }
    if not parts:
        raise ValueError(f"song must have notes, got none in {path.name!r}")
    lead = _melody_of(parts)
    melody = parts.pop(lead)
    rest = np.concatenate([*parts.values(), np.empty((0, 4))])
    end = max(float((n[:, 0] + n[:, 1]).max()) for n in (melody, rest) if len(n))
    if not 0 < end <= MAX_BEATS:
        raise ValueError(f"song must have 1 to {MAX_BEATS} beats, got {end:g} in {path.name!r}")
    tonic, mode = estimate_tonic(melody)
    return Song(
        path.stem, path.stem, tonic, mode, float(np.median(tempi)), melody[:, :3],
        estimate_chords(np.concatenate([melody, rest]), end), phrases_of(melody), rest, "estimated",
    )  # fmt: skip


def estimate_chords(notes: np.ndarray, end: float, step: float = 2.0) -> tuple[Chord, ...]:
    """Return the major or minor triad that holds most of what sounds in every ``step`` beats.

    Parameters
    ----------
    notes : np.ndarray, shape (n, 4)
        In beats; the lowest note of a stretch counts twice, as the bass names chords.

    Examples
    --------
    >>> c_major = np.array([[0.0, 2, 48, 1], [0, 2, 52, 1], [0, 2, 55, 1]])
    >>> estimate_chords(c_major, 2.0)
    ((0.0, 2.0, 0, 'maj'),)
    """
    templates = [
        (root, q, [(root + t) % 12 for t in QUALITIES[q]])
        for root in range(12)
        for q in ("maj", "min")
    ]
    chords: list[Chord] = []
    for start in np.arange(0, end, step):
        length = np.clip(
            np.minimum(notes[:, 0] + notes[:, 1], start + step) - np.maximum(notes[:, 0], start),
            0,
            None,
        )
        heard = length > 0
        if not heard.any():
            continue
        weight = np.bincount(notes[heard, 2].astype(int) % 12, weights=length[heard], minlength=12)
        weight[int(notes[heard, 2].min()) % 12] *= 2
        root, quality, _ = max(templates, key=lambda t: weight[t[2]].sum() + 0.5 * weight[t[0]])
        if chords and chords[-1][2:] == (root, quality) and sum(chords[-1][:2]) == start:
            chords[-1] = (chords[-1][0], chords[-1][1] + step, root, quality)
        else:
            chords.append((float(start), float(step), root, quality))
    return tuple(chords)


def phrases_of(melody: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Cut the melody's stretch into phrases of four bars of four beats."""
    first, end = melody[:, 0].min(), (melody[:, 0] + melody[:, 1]).max()
    return tuple(
        (float(a), float(a) + 16.0) for a in np.arange(first // 16 * 16, np.ceil(end / 16) * 16, 16)
    )


def _melody_of(parts: dict[tuple[str, int, int], np.ndarray]) -> tuple[str, int, int]:
    """Choose the part that is named so, else the highest of those with mostly one note at a time."""
    named = [key for key in parts if _MELODY.search(key[0])]
    if named:
        return max(named, key=lambda key: len(parts[key]))

    def fitness(key: tuple[str, int, int]) -> float:
        notes = parts[key][np.argsort(parts[key][:, 0], kind="stable")]
        alone = np.mean(np.diff(notes[:, 0]) > 0.05) if len(notes) > 1 else 0.0
        return float(alone * min(len(notes) / 32, 1) * np.median(notes[:, 2]))

    return max(parts, key=fitness)


def _channels(
    track: Iterable[mido.Message], time_of: Callable[[int], float]
) -> dict[int, np.ndarray]:
    """Return (n, 4) by channel of a track: onset and duration as ``time_of`` has it, pitch, velocity."""
    found: dict[int, list[tuple[float, float, float, float]]] = {}
    begun: dict[tuple[int, int], tuple[int, int]] = {}
    now = 0
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        key = message.channel, message.note
        if message.type == "note_on" and message.velocity:
            begun[key] = now, message.velocity
        elif key in begun:
            start, velocity = begun.pop(key)
            length = time_of(now) - time_of(start)
            found.setdefault(message.channel, []).append(
                (time_of(start), length, float(message.note), velocity / 127)
            )
    return {channel: np.array(sorted(notes)) for channel, notes in found.items()}
