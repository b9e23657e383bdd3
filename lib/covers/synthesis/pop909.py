"""Songs in the format of POP909: a folder of MIDI, chords and beats.

*Conventions.* As `covers.synthesis.song`. Folder NNN holds NNN.mid (tracks MELODY, BRIDGE, PIANO),
chord_midi.txt (start [s], end [s], chord in Harte's syntax) and beat_midi.txt (beats [s]).

References
----------
Wang et al. "POP909: A Pop-song Dataset for Music Arrangement Generation." ISMIR 2020 (MIT).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np

from covers.synthesis.chords import PITCH_CLASSES, Chord, parse_chord
from covers.synthesis.midi import read_notes
from covers.synthesis.song import Song, estimate_tonic, split_phrases


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
    to_beats = _beat_clock(beats)
    melody, accompaniment = (
        _in_beats(_read_tracks(midi, names), to_beats)
        for names in (("MELODY",), ("BRIDGE", "PIANO"))
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
        split_phrases(melody),
        accompaniment,
    )


def _beat_clock(beats: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from seconds to beats; outside the marked beats the tempo is the median one."""
    step = float(np.median(np.diff(beats)))
    n_before = int(np.ceil(max(beats[0], 0) / step)) + 1
    marks = np.concatenate(
        [beats[0] - step * np.arange(n_before, 0, -1), beats, beats[-1] + step * np.arange(1, 200)]
    )
    return lambda seconds: np.interp(seconds, marks, np.arange(len(marks)) - n_before)


def _in_beats(notes: np.ndarray, to_beats: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return (n, 4) notes with onset and duration converted from seconds to beats."""
    start, end = to_beats(notes[:, 0]), to_beats(notes[:, 0] + notes[:, 1])
    return np.column_stack([start, np.maximum(end - start, 0.125), notes[:, 2:]])


def _read_tracks(midi: mido.MidiFile, names: tuple[str, ...]) -> np.ndarray:
    """Return (n, 4): onset and duration in seconds, pitch, velocity, of the tracks with these names."""
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
        channel_notes
        for track in midi.tracks
        if track.name.upper() in names
        for channel_notes in read_notes(track, seconds).values()
    ]
    merged = np.concatenate([*notes, np.empty((0, 4))])
    return merged[np.lexsort(merged.T[::-1])]


def write_pop909(song: Song, folder: Path) -> None:
    """Write a song in POP909's format: MIDI with a MELODY track; chords and beats in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    beat_s, ticks = 60 / song.tempo, 480
    midi = mido.MidiFile(ticks_per_beat=ticks)
    head, melody = mido.MidiTrack(), mido.MidiTrack()
    head.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(song.tempo), time=0))
    melody.append(mido.MetaMessage("track_name", name="MELODY", time=0))
    events = []
    for onset, duration, pitch in song.melody:
        events.append((round(onset * ticks), "note_on", int(pitch)))
        events.append((round((onset + duration) * ticks) - 1, "note_off", int(pitch)))
    now = 0
    for tick, kind, pitch in sorted(events):
        melody.append(mido.Message(kind, note=pitch, velocity=90, time=tick - now))
        now = tick
    midi.tracks += [head, melody]
    midi.save(folder / f"{folder.name}.mid")
    names = {number: name for name, number in PITCH_CLASSES.items()}
    chords = [
        f"{a * beat_s:.6f}\t{(a + n) * beat_s:.6f}\t{names[root]}:{q}"
        for a, n, root, q in song.chords
    ]
    (folder / "chord_midi.txt").write_text("\n".join(chords) + "\n")
    beats = range(int(song.phrases[-1][1]) + 1)
    lines = [f"{b * beat_s:.6f} {float(b % 4 == 0)} {float(b % 4 == 0)}" for b in beats]
    (folder / "beat_midi.txt").write_text("\n".join(lines) + "\n")
