"""Scores to waveforms by fluidsynth with a soundfont: timbres of sampled instruments.

*Conventions.* A soundfont is a file, or the name of one that is installed in `FOLDERS` (Debian:
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
from covers.synthesis.arrange import Score
from covers.synthesis.version_spec import VersionSpec

FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3")
SUFFIXES = {".sf2", ".sf3"}
HINT = "install fluidsynth and a soundfont: apt-get install fluidsynth fluid-soundfont-gm"
TICKS = 480  # a beat of half a second
DRUM_CHANNEL, DRUM_NOTES, HIT_S = 9, (36, 38, 42), 0.1  # kick, snare, hat
BEND = 2 * 100  # range of the pitch wheel [cents]


def installed_soundfonts() -> list[str]:
    """Return the names of the installed soundfonts, sorted, without links to others."""
    paths = (p for folder in FOLDERS for p in Path(folder).glob("*") if not p.is_symlink())
    return sorted(p.name for p in paths if p.suffix in SUFFIXES)


def check_soundfonts(soundfonts: list[str]) -> tuple[str, ...]:
    """Return the soundfonts to use; ``all`` stands for the installed ones.

    Raises
    ------
    InputError
        If fluidsynth or a soundfont is missing.
    """
    if not soundfonts:
        return ()
    if not shutil.which("fluidsynth"):
        raise InputError(f"a soundfont needs the program fluidsynth, got none on the path; {HINT}")
    wanted = installed_soundfonts() if soundfonts == ["all"] else soundfonts
    if not wanted:
        raise InputError(f"a soundfont must be in one of {FOLDERS}, got none; {HINT}")
    for name in wanted:
        find_soundfont(name)
    return tuple(wanted)


def find_soundfont(name: str) -> Path:
    """Return the file of a soundfont.

    Raises
    ------
    InputError
        If there is none.
    """
    for path in (Path(name), *(Path(folder) / name for folder in FOLDERS)):
        if path.is_file() and path.suffix in SUFFIXES:
            return path
    raise InputError(
        f"soundfont must be a file or one of {installed_soundfonts()}, got {name!r}; {HINT}"
    )


def play_score(score: Score, spec: VersionSpec, sample_rate: int) -> np.ndarray:
    """Return the waveform of a score as fluidsynth plays it, shape (n,), float32, mono.

    Raises
    ------
    InputError
        If fluidsynth or the spec's soundfont is missing.
    ValueError
        If fluidsynth fails.
    """
    check_soundfonts([spec.soundfont])
    with tempfile.TemporaryDirectory() as folder:
        notes, audio = Path(folder, "notes.mid"), Path(folder, "audio.wav")
        to_midi(score, spec).save(notes)
        command = [
            "fluidsynth", "-ni", "-q", "-r", str(sample_rate), "-g", "0.5", "-O", "float", "-T", "wav",
            "-F", str(audio), str(find_soundfont(spec.soundfont)), str(notes),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not audio.is_file():
            raise ValueError(
                f"fluidsynth must play {spec.soundfont!r}, got {done.stderr.strip()[-200:]!r}"
            )
        stereo, _ = sf.read(audio, dtype="float32", always_2d=True)
    mono, n = stereo.mean(axis=1), int(score.duration_s * sample_rate)
    return np.pad(mono[:n], (0, max(0, n - len(mono))))


def to_midi(score: Score, spec: VersionSpec) -> mido.MidiFile:
    """Return a score as MIDI: one channel a part, with its program; tuning by the pitch wheel."""
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
        note, level = int(np.clip(pitch, 0, 127)), int(np.clip(round(127 * velocity), 1, 127))
        start, end = round(onset * 2 * TICKS), round((onset + duration) * 2 * TICKS)
        events += [(start, 1, note, level), (max(end, start + 1), 0, note, 0)]
    now, messages = 0, list(head)
    for tick, _, note, level in sorted(events):  # at one tick, notes end before others begin
        messages.append(
            mido.Message("note_on", channel=channel, note=note, velocity=level, time=tick - now)
        )
        now = tick
    return mido.MidiTrack(messages)
