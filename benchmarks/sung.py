"""Tunes as a band with a singer records them: what neither our synthesiser nor a sound font makes.

apt-get install flite fluidsynth fluid-soundfont-gm && pip install pyworld

Speech of flite is taken apart by WORLD and put together again at a melody's pitches, a syllable a note,
with glides, vibrato and consonants; fluidsynth plays the band. Room, compression and MP3 come last.

References
----------
Morise, Yokomori, Ozawa. "WORLD: a vocoder-based high-quality speech synthesis system for real-time
applications." IEICE Transactions 2016.
"""

from __future__ import annotations

import io
import itertools
import subprocess
import tempfile
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve, find_peaks

from benchmarks.measure import complete_soundfonts
from covers.audio.features import midi_to_hertz
from covers.synthesis import soundfont
from covers.synthesis.arrange import Score, arrange
from covers.synthesis.chords import estimate_chords
from covers.synthesis.effects import apply_effects
from covers.synthesis.song import Song, estimate_tonic, split_phrases
from covers.synthesis.version_spec import DRUMS, UNACCOMPANIED, VersionSpec, make_easy, sample_spec

RATE, FRAME_S = 16_000, 0.005
# Of flite, and the MIDI pitch they sing around.
VOICES = {"slt": 67, "rms": 55, "awb": 55, "kal16": 55}
LYRICS = (
    "The river runs along the golden valley, and every summer we are singing in the morning rain, moving "
    "ever onward over hills and hollow meadows, dreaming of a melody that nobody remembers, leaving all our "
    "worries by the window of an old and lonely railway station, knowing someone will be waiting when the "
    "evening lights are burning."
)
PHRASES = 16  # at most, of four bars
Notes = list[tuple[float, float, float]]


@dataclass(frozen=True)
class Speech:
    """A voice taken apart, frame by frame (5 ms), and where its syllables begin, sound and end."""

    voiced: np.ndarray  # (n,)
    envelope: np.ndarray  # (n, 513) power
    noise: np.ndarray  # (n, 513) share of it that is no harmonics
    syllables: list[tuple[int, int, int]]


@lru_cache(maxsize=4)
def spoken(voice: str) -> Speech:
    """Let flite say `LYRICS`, and take it apart."""
    import pyworld  # here: the other sets of `unseen` do without it

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "speech.wav")
        subprocess.run(["flite", "-voice", voice, "-t", LYRICS, "-o", str(file)], check=True)
        sound, _ = sf.read(file, dtype="float64")
    rough, at = pyworld.dio(sound, RATE, frame_period=1000 * FRAME_S)
    pitch = pyworld.stonemask(sound, rough, at, RATE)
    envelope = pyworld.cheaptrick(sound, pitch, at, RATE)
    voiced = pitch > 0
    loud = gaussian_filter1d(np.log(envelope.sum(axis=1) + 1e-9) + 2 * voiced, 4)
    vowels, _ = find_peaks(loud, distance=20, prominence=0.5)
    vowels = vowels[voiced[vowels]]
    between = [a + int(np.argmin(loud[a:b])) for a, b in itertools.pairwise(vowels)]
    cuts = [0, *between, len(loud) - 1]
    syllables = [
        (start, int(vowel), end)
        for start, vowel, end in zip(cuts[:-1], vowels, cuts[1:], strict=True)
        if end - start > 6 and start < vowel < end
    ]
    return Speech(voiced, envelope, pyworld.d4c(sound, pitch, at, RATE), syllables)


def sung(notes: np.ndarray, voice: str, rng: np.random.Generator, n_samples: int) -> np.ndarray:
    """Return a melody sung, shape (n_samples,): (n, 4) notes, where two begin together the last of them."""
    import pyworld

    speech = spoken(voice)
    n = int(n_samples / RATE / FRAME_S) + 1
    source, pitch, loud = np.full(n, -1.0), np.full(n, np.nan), np.zeros(n)
    line = notes[np.argsort(notes[:, 0], kind="stable")]
    line = line[np.append(np.diff(line[:, 0]) > 0.06, True)]
    ends = np.minimum(line[:, 0] + line[:, 1], np.append(line[1:, 0], np.inf))
    number = int(rng.integers(len(speech.syllables)))
    # Of the vibrato: a second, and in semitones.
    beats, depth = rng.uniform(4.8, 6.2), rng.uniform(0.1, 0.6)
    for (onset, _, tone, velocity), end in zip(line, ends, strict=True):
        a, b = int(onset / FRAME_S), min(int(end / FRAME_S), n)
        if b - a < 4:
            continue
        source[a:b] = _path(speech.syllables[number % len(speech.syllables)], b - a)
        number += 1
        t = np.arange(b - a) * FRAME_S
        swing = depth * np.clip((t - 0.25) / 0.3, 0, 1) * np.sin(2 * np.pi * beats * t)
        scoop = rng.uniform(0, 2) * np.exp(-t / 0.06) if rng.random() < 0.4 else 0.0
        pitch[a:b] = tone + swing - scoop + rng.normal(0, 0.12)
        loud[a:b] = velocity * np.clip(((b - a) * FRAME_S - t) / 0.05, 0, 1)
    told = np.flatnonzero(~np.isnan(pitch))
    pitch = gaussian_filter1d(np.interp(np.arange(n), told, pitch[told]), rng.uniform(4, 10))
    pitch += gaussian_filter1d(rng.normal(0, 1, n), 60)
    at = np.clip(np.round(source).astype(int), 0, len(speech.voiced) - 1)
    hertz = np.where((source >= 0) & speech.voiced[at], midi_to_hertz(pitch), 0.0)
    envelope = speech.envelope[at] * (loud**2)[:, None] + 1e-12
    sound = pyworld.synthesize(hertz, envelope, speech.noise[at], RATE, 1000 * FRAME_S)
    return np.pad(sound, (0, max(0, n_samples - len(sound))))[:n_samples]


def _path(syllable: tuple[int, int, int], n: int) -> np.ndarray:
    """Return the frames of speech for a note of n: consonants at their own pace, the vowel held."""
    start, vowel, end = syllable
    before, after = min(vowel - start, int(0.4 * n)), min(end - vowel, int(0.25 * n))
    held = vowel + min(4, end - vowel - 1)
    return np.concatenate(
        [
            np.linspace(vowel - before, vowel, before, endpoint=False),
            np.linspace(vowel, held, n - before - after),
            np.linspace(held, end, after),
        ]
    )


def song_of(number: int, work: str, verse: Notes, chorus: Notes) -> Song:
    """Return a song of two tunes, verse and chorus twice in the verse's key, chords estimated."""
    rng = np.random.default_rng([9, zlib.crc32(work.encode())])
    first, tonic = _tune(verse, None)
    second, _ = _tune(chorus, tonic)
    laid, now = [], 0.0
    for part in (first, second, first, second):
        laid.append(part + np.array([now, 0, 0]))
        now += np.ceil((part[:, 0] + part[:, 1]).max() / 16) * 16
    melody = np.concatenate(laid)
    tonic, mode = estimate_tonic(melody)
    chords = estimate_chords(
        np.column_stack([melody, np.ones(len(melody))]), float((melody[:, 0] + melody[:, 1]).max())
    )
    return Song(
        f"band{number:04d}", work, tonic, mode, rng.uniform(85, 130), melody, chords, split_phrases(melody),
        chords_from="estimated",
    )  # fmt: skip


def _tune(notes: Notes, tonic: int | None) -> tuple[np.ndarray, int]:
    melody = np.array(sorted(notes, key=lambda note: note[0]))
    melody[:, 0] -= melody[0, 0] // 4 * 4
    own, _ = estimate_tonic(melody)
    if tonic is not None:
        melody[:, 2] += (tonic - own + 6) % 12 - 6
    melody[:, 2] -= 12 * round((np.median(melody[:, 2]) - 66) / 12)
    return melody, own


def recorded(song: Song, number: int, *, mild: bool) -> np.ndarray:
    """Return one version of a song as a band records it, float32 at `RATE`; most have a singer.

    ``mild``: with the song's own chords, melody and form nearly as written, as most covers are.
    """
    rng = np.random.default_rng([11, number])
    spec = _spec(song, number, rng, mild)
    score = arrange(song, spec)
    singer = str(rng.choice(list(VOICES))) if rng.random() < 0.65 else None
    if singer:
        rest = {name: part for name, part in score.parts.items() if name != "lead"}
        band = soundfont.play_score(Score(rest, score.drums, score.duration_s), spec, RATE)
        notes = score.parts["lead"][1].copy()
        notes[:, 2] -= 12 * round((np.median(notes[:, 2]) - VOICES[singer]) / 12)
        voice = sung(notes, singer, rng, int(score.duration_s * RATE))
        level = np.sqrt(np.mean(band**2)) / (np.sqrt(np.mean(voice**2)) + 1e-9)
        if rng.random() < 0.3:  # an amplifier at its limit
            peak = np.abs(band).max()
            band = np.tanh(band * 3 / (peak + 1e-9)) * peak
        mix = band + voice * level * 10 ** (rng.uniform(-4, 5) / 20)
    else:
        mix = soundfont.play_score(score, spec, RATE)
    sound = apply_effects(_roomed(mix, rng).astype(np.float32), spec, rng, RATE)
    file = io.BytesIO()
    sf.write(file, sound, RATE, format="MP3")
    file.seek(0)
    return sf.read(file, dtype="float32")[0]


def _spec(song: Song, number: int, rng: np.random.Generator, mild: bool) -> VersionSpec:
    fonts = complete_soundfonts()
    spec = sample_spec(song, number, max_phrases=PHRASES, soundfonts=fonts)
    spec = replace(
        spec, gain=spec.gain | {"lead": max(spec.gain["lead"], 0.6)}, reverb=0.0, octave=0,
        noise_db=min(spec.noise_db, -35), lowpass_hz=RATE / 2,
    )  # fmt: skip
    if spec.pattern == UNACCOMPANIED:
        spec = replace(spec, pattern="strum")
    if spec.drums == "none" and rng.random() < 0.6:
        spec = replace(spec, drums=str(rng.choice(DRUMS[1:])))
    if mild:
        spec = replace(
            make_easy(spec), substitutions=0.0, solo=-1, simplify=min(spec.simplify, 0.3),
            syncopation=spec.syncopation / 2, tempo_ratio=spec.tempo_ratio**0.7,
        )  # fmt: skip
    return spec


def _roomed(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolve with decaying noise of 0.3 to 2 s."""
    n = int(rng.uniform(0.3, 2.0) * RATE)
    room = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    room[: RATE // 100] = 0
    room *= rng.uniform(0.1, 0.6) / np.linalg.norm(room)
    room[0] += 1
    return fftconvolve(sound, room)[: len(sound)]
