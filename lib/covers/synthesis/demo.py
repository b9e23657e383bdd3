"""What only the demo needs: its songs by number, and the broken examples it sets aside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mido

from covers.synthesis.song import PITCH_CLASSES, Song, compose


def compose_by_name(seed: int) -> Callable[[str], Song]:
    """Return a loader of the demo's songs: number (as text) -> song."""
    return lambda name: compose(int(name), seed)


def add_broken_examples(out: Path) -> None:
    """Add a catalogue row with an impossible key and a text file named .mp3."""
    broken = "TRBROKEN,Impossible,Nobody,,,,,,,0.5,0.5,17,,1,,,,,0.5,120,4\n"
    with (out / "catalog.csv").open("a") as file:
        file.write(broken)
    (out / "audio" / "broken.mp3").write_text("This is not an MP3 file.\n")
    with (out / "manifest.csv").open("a") as file:
        file.write("broken-v0,broken,Broken,Nobody,audio/broken.mp3,train,,,,,\n")


def export_pop909(song: Song, folder: Path) -> None:
    """Write a song as POP909 has it: MIDI with a MELODY track, chords and beats in seconds."""
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


def add_midi_songs(out: Path, seed: int, n: int = 4, first: int = 9000) -> None:
    """Write a few further songs as POP909 folders, for synthesize_versions."""
    for number in range(first, first + n):
        export_pop909(compose(number, seed), out / "midi" / f"{number}")
