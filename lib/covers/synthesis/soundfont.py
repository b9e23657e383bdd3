"""A score played by fluidsynth with a sound font: timbres that the project did not make itself.

*Conventions.* A font is a file, or the name of one that is installed in `FOLDERS` (Debian:
fluid-soundfont-gm, musescore-general-soundfont-small, timgm6mb-soundfont, opl3-soundfont).

References
----------
MIDI Association. "General MIDI System Level 1." 1991 (programs, drums on channel 10).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
import soundfile as sf

from covers.errors import InputError
from covers.synthesis.versions import Score, VersionSpec

FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3")
SUFFIXES = {".sf2", ".sf3"}
HINT = "install fluidsynth and a font: apt-get install fluidsynth fluid-soundfont-gm"
TICKS = 480  # a beat of half a second
DRUM_CHANNEL, DRUM_NOTES, HIT_S = 9, (36, 38, 42), 0.1  # kick, snare, hat
BEND = 2 * 100  # the wheel's range [cents]


def installed() -> list[str]:
    """Return the names of the installed fonts, sorted; a link is no font of its own."""
    found = (p for folder in FOLDERS for p in Path(folder).glob("*") if not p.is_symlink())
    return sorted(p.name for p in found if p.suffix in SUFFIXES)


def checked(fonts: list[str]) -> tuple[str, ...]:
    """Return the fonts to play with; ``all`` stands for the installed ones.

    Raises
    ------
    InputError
        If fluidsynth or a font is missing.
    """
    if not fonts:
        return ()
    if not shutil.which("fluidsynth"):
        raise InputError(f"--fonts needs the program fluidsynth, got none on the path; {HINT}")
    asked = installed() if fonts == ["all"] else fonts
    if not asked:
        raise InputError(f"a font must be in one of {FOLDERS}, got none; {HINT}")
    for font in asked:
        path_of(font)
    return tuple(asked)


def path_of(font: str) -> Path:
    """Return the file of a font.

    Raises
    ------
    InputError
        If there is none.
    """
    for path in (Path(font), *(Path(folder) / font for folder in FOLDERS)):
        if path.is_file() and path.suffix in SUFFIXES:
            return path
    raise InputError(f"font must be a file or one of {installed()}, got {font!r}; {HINT}")


def play(score: Score, spec: VersionSpec, sample_rate: int) -> np.ndarray:
    """Return the sound of a score, shape (n,), float32, mono, as fluidsynth plays it.

    Raises
    ------
    InputError
        If fluidsynth or the spec's font is missing.
    ValueError
        If fluidsynth makes no sound of it.
    """
    checked([spec.font])
    with tempfile.TemporaryDirectory() as folder:
        notes, sound = Path(folder, "notes.mid"), Path(folder, "sound.wav")
        to_midi(score, spec).save(notes)
        command = [
            "fluidsynth", "-ni", "-q", "-r", str(sample_rate), "-g", "0.5", "-O", "float", "-T", "wav",
            "-F", str(sound), str(path_of(spec.font)), str(notes),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not sound.is_file():
            raise ValueError(
                f"fluidsynth must play {spec.font!r}, got {done.stderr.strip()[-200:]!r}"
            )
        heard, _ = sf.read(sound, dtype="float32", always_2d=True)
    mono, n = heard.mean(axis=1), int(score.duration_s * sample_rate)
    return np.pad(mono[:n], (0, max(0, n - len(mono))))


def to_midi(score: Score, spec: VersionSpec) -> mido.MidiFile:
    """Return a score as MIDI: a channel a part, its program, tuning by the pitch wheel."""
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    bend = round(8192 * spec.tuning_cents / BEND)
    for channel, (part, (_, notes)) in enumerate(score.parts.items()):
        pitch = np.round(notes[:, 2] - spec.tuning_cents / 100)
        head = [
            mido.Message("program_change", channel=channel, program=spec.programs.get(part, 0)),
            mido.Message("pitchwheel", channel=channel, pitch=bend),
        ]
        midi.tracks.append(
            _track(head, channel, np.column_stack([notes[:, :2], pitch, notes[:, 3]]))
        )
    if len(score.drums):
        onset, kind, velocity = score.drums.T
        hits = np.column_stack(
            [onset, np.full(len(onset), HIT_S), np.take(DRUM_NOTES, kind.astype(int)), velocity]
        )
        midi.tracks.append(_track([], DRUM_CHANNEL, hits))
    return midi


def _track(head: list[mido.Message], channel: int, notes: np.ndarray) -> mido.MidiTrack:
    """Return a track of (n, 4) notes: onset [s], duration [s], MIDI pitch, velocity 0-1."""
    events = []
    for onset, duration, pitch, velocity in notes:
        note, force = int(np.clip(pitch, 0, 127)), int(np.clip(round(127 * velocity), 1, 127))
        start, end = round(onset * 2 * TICKS), round((onset + duration) * 2 * TICKS)
        events += [(start, 1, note, force), (max(end, start + 1), 0, note, 0)]
    now, messages = 0, list(head)
    for tick, _, note, force in sorted(events):  # at one tick, notes end before others begin
        messages.append(
            mido.Message("note_on", channel=channel, note=note, velocity=force, time=tick - now)
        )
        now = tick
    return mido.MidiTrack(messages)
