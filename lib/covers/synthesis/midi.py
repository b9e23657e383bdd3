"""Songs from MIDI files: which track is the melody, and the notes of each track.

*Conventions.* As `covers.synthesis.song`: time in beats. The melody is the track named as such,
else the highest that is monophonic. Chords are estimated, so ``Song.chords_from`` is "estimated".
Every other track but drums is accompaniment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import mido
import numpy as np

from covers.synthesis.chords import estimate_chords
from covers.synthesis.song import Song, estimate_tonic, split_phrases

MAX_TRACKS, MAX_BEATS = 256, 4_000
MIN_TEMPO, MAX_TEMPO = 20.0, 400.0  # beats a minute
DRUM_CHANNEL = 9
_MELODY = re.compile("melod|vocal|voice|lead|sing", re.IGNORECASE)

Voice = tuple[str, int, int]  # name and number of the track, channel


def read_midi(path: Path) -> Song:
    """Read any MIDI file as a song: melody and accompaniment as written, chords estimated.

    Raises
    ------
    ValueError
        If the file is broken, has no notes or no length, too many tracks, or a tempo out of range.
    """
    midi = _open(path)
    tempo = _median_tempo(midi, path.name)
    voices = {
        (track.name, number, channel): notes
        for number, track in enumerate(midi.tracks)
        for channel, notes in read_notes(track, lambda ticks: ticks / midi.ticks_per_beat).items()
        if channel != DRUM_CHANNEL
    }
    if not voices:
        raise ValueError(f"song must have notes, got none in {path.name!r}")
    melody = voices.pop(_find_melody(voices))
    accompaniment = np.concatenate([*voices.values(), np.empty((0, 4))])
    notes = np.concatenate([melody, accompaniment])
    end = float((notes[:, 0] + notes[:, 1]).max())
    if not 0 < end <= MAX_BEATS:
        raise ValueError(f"song must have 1 to {MAX_BEATS} beats, got {end:g} in {path.name!r}")
    tonic, mode = estimate_tonic(melody)
    return Song(
        path.stem, path.stem, tonic, mode, tempo, melody[:, :3], estimate_chords(notes, end),
        split_phrases(melody), accompaniment, "estimated",
    )  # fmt: skip


def read_notes(
    track: Iterable[mido.Message], time_of: Callable[[int], float]
) -> dict[int, np.ndarray]:
    """Return the notes of a track by channel.

    Parameters
    ----------
    track : Iterable[mido.Message]
        With delta times in ticks.
    time_of : Callable[[int], float]
        From ticks since the start to the unit of time wanted.

    Returns
    -------
    dict of int to np.ndarray, shape (n, 4)
        Onset and duration in that unit, MIDI pitch, velocity 0-1; sorted. Notes that never end are
        left out.
    """
    notes: dict[int, list[tuple[float, float, float, float]]] = {}
    sounding: dict[tuple[int, int], tuple[int, int]] = {}
    now = 0
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        key = message.channel, message.note
        if message.type == "note_on" and message.velocity:
            sounding[key] = now, message.velocity
        elif key in sounding:
            start, velocity = sounding.pop(key)
            duration = time_of(now) - time_of(start)
            notes.setdefault(message.channel, []).append(
                (time_of(start), duration, float(message.note), velocity / 127)
            )
    return {channel: np.array(sorted(rows)) for channel, rows in notes.items()}


def _open(path: Path) -> mido.MidiFile:
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
    return midi


def _median_tempo(midi: mido.MidiFile, name: str) -> float:
    """Return the median of the tempo events [BPM]; 120 if there is none, as MIDI has it."""
    tempos = [
        60e6 / m.tempo for t in midi.tracks for m in t if m.type == "set_tempo" and m.tempo
    ] or [120.0]
    if not all(MIN_TEMPO <= bpm <= MAX_TEMPO for bpm in tempos):
        raise ValueError(
            f"tempo must be {MIN_TEMPO:g} to {MAX_TEMPO:g} BPM, got {min(tempos):g} to "
            f"{max(tempos):g} in {name!r}"
        )
    return float(np.median(tempos))


def _find_melody(voices: dict[Voice, np.ndarray]) -> Voice:
    """Return the voice named as the melody, else the highest one that is mostly monophonic."""
    named = [key for key in voices if _MELODY.search(key[0])]
    if named:
        return max(named, key=lambda key: len(voices[key]))

    def fitness(key: Voice) -> float:
        notes = voices[key][np.argsort(voices[key][:, 0], kind="stable")]
        monophony = np.mean(np.diff(notes[:, 0]) > 0.05) if len(notes) > 1 else 0.0
        return float(monophony * min(len(notes) / 32, 1) * np.median(notes[:, 2]))

    return max(voices, key=fitness)
