"""Specs of versions: all that distinguishes one version of a song from the song as written.

*Conventions.* A spec is plain data (JSON). Equal songs and specs give equal notes, so that what two
versions differ in can be queried. Parts are ``lead``, ``chords``, ``bass`` and ``drums``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np

from covers.models import legacy
from covers.synthesis.song import Song

MELODY_INSTRUMENTS = ("voice", "guitar", "strings", "brass", "organ", "flute", "piano")
CHORD_INSTRUMENTS = ("piano", "guitar", "organ", "strings", "pad")
PATTERNS = ("block", "strum", "arpeggio", "power", "pad")
WRITTEN = "written"  # pattern: the song's own accompaniment
UNACCOMPANIED = "none"  # pattern: no chords
PROGRAMS = {  # of General MIDI, by instrument
    "voice": (52, 53, 54, 65, 66, 69, 85), "guitar": (24, 25, 26, 27, 28, 29, 30, 105),
    "strings": (40, 41, 42, 45, 48, 49, 50), "brass": (56, 57, 58, 60, 61, 62, 64, 67),
    "organ": (16, 17, 18, 19, 21, 22), "flute": (68, 70, 71, 72, 73, 74, 75, 78),
    "piano": (0, 1, 3, 4, 5, 6, 7, 11), "pad": (88, 89, 90, 91, 92, 94, 95), "bass": (32, 33, 34, 35, 36, 38, 39),
}  # fmt: skip
EQ_PITCHES = (24, 45, 66, 87, 108)  # MIDI
BASS = ("root", "eighths", "walking", "none")
RIFFS = ("none", "throughout", "fills")
DRUMS = ("none", "rock", "disco", "ballad", "shuffle")

T = TypeVar("T")


@dataclass(frozen=True)
class VersionSpec:
    """How one version differs from the song as written; every field is a nuisance of covers."""

    seed: int
    transpose: int = 0  # semitones, -6 to 6
    tempo_ratio: float = 1.0  # 0.6 to 1.6
    drift: float = 0.0  # depth of slow tempo changes, 0 to 0.08
    swing: float = 0.0  # delay of the second half of a beat: 0 straight, 0.33 triplets
    form: tuple[int, ...] = ()  # phrases in the order played; empty: each once
    intro: int = 0  # beats of the first phrase, without melody, before it
    outro: int = 0  # beats of the last phrase, without melody, after it
    solo: int = -1  # index in the form of the phrase with an improvised melody; -1: none
    key_change: int = 0  # semitones by which the last third is higher
    lead: str = "voice"
    octave: int = 0  # of the melody
    drop: float = 0.0  # share of melody notes left out
    simplify: float = 0.0  # share of melody notes off the beat left out
    ornaments: float = 0.0  # share of melody notes with a neighbour note
    syncopation: float = 0.0  # share of melody notes delayed by half a beat
    pitch_slides: float = 0.0  # share of melody notes that begin from a step below
    pitch_perturbation: float = 0.0  # share of melody notes moved to a neighbour in the scale
    harmony: float = 0.0  # share of melody notes doubled by a second voice
    harmony_interval: int = 2  # of that voice, in steps of the scale: 2 a third, 5 a sixth
    chord_instrument: str = "piano"
    pattern: str = "block"  # one of PATTERNS, WRITTEN or UNACCOMPANIED
    sevenths: bool = False
    substitutions: float = 0.0  # share of chords replaced by their relative minor or major
    riff: str = (
        "none"  # two bars of the version's own: none, throughout, or fills in the melody's rests
    )
    bass: str = "root"
    drums: str = "none"
    tuning_cents: float = 0.0  # -50 to 50
    noise_db: float = -60.0  # relative to the mix
    reverb: float = 0.0  # share of the reverberated signal, 0 to 0.4
    compression: float = 0.0  # share of level changes [dB] removed, 0 to 1
    lowpass_hz: float = 8000.0
    gain: dict[str, float] = field(default_factory=dict)  # by part
    # By part, instead of its instrument's (not of a soundfont): attack [s], decay [1/s], then the
    # strengths of eight harmonics.
    timbre: dict[str, tuple[float, ...]] = field(default_factory=dict)
    eq_db: tuple[float, ...] = ()  # gain of the mix at EQ_PITCHES; empty: flat
    soundfont: str = ""  # that fluidsynth plays it with; empty: the project's synthesizer
    programs: dict[str, int] = field(default_factory=dict)  # General MIDI, 0-127, by part

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> VersionSpec:
        """Return the spec of `to_dict`'s data, also as read from JSON or written by earlier versions.

        Keys that are no fields (``truth`` of `recordings`) are ignored.

        Examples
        --------
        >>> VersionSpec.from_dict({"seed": 1, "lift": 2, "form": [0, 1], "truth": {}}).key_change
        2
        """
        values = legacy.version_spec(stored)
        values = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        for name in {"form", "eq_db"} & set(values):
            values[name] = tuple(values[name])
        if "timbre" in values:
            values["timbre"] = {part: tuple(v) for part, v in values["timbre"].items()}
        return cls(**values)


NUISANCES = {  # by the aspect of a cover that they change
    "key": ("transpose", "tuning_cents"),
    "tempo": ("tempo_ratio", "drift", "swing"),
    "timbre": (
        "lead", "octave", "chord_instrument", "gain", "soundfont", "programs", "noise_db", "reverb",
        "compression", "lowpass_hz", "timbre", "eq_db",
    ),
    "melody": (
        "drop", "simplify", "ornaments", "syncopation", "pitch_slides", "pitch_perturbation", "harmony",
        "harmony_interval",
    ),
    "accompaniment": ("pattern", "sevenths", "substitutions", "riff", "bass", "drums"),
    "form": ("form", "intro", "outro", "solo", "key_change"),
}  # fmt: skip


def keep_nuisances(spec: VersionSpec, *nuisances: str) -> VersionSpec:
    """Return the spec with only these nuisances; the rest is as the song is written.

    Examples
    --------
    >>> keep_nuisances(VersionSpec(1, transpose=3, octave=1), "key") == VersionSpec(1, transpose=3)
    True
    """
    kept = {name: getattr(spec, name) for n in nuisances for name in NUISANCES[n]}
    return VersionSpec(spec.seed, **kept)


def make_easy(spec: VersionSpec) -> VersionSpec:
    """Return the spec without what changes the notes most, so that thirty songs suffice to train."""
    return replace(spec, pitch_perturbation=0.0, harmony=0.0, riff="none", key_change=0)


def ground_truth(song: Song, spec: VersionSpec) -> dict[str, float]:
    """Return the catalogue's six attributes of a version, from its song and spec.

    Key (before any key change), mode and tempo are exact; danceability, energy and valence, 0-1,
    are defined by drums, pattern, mode and tempo.
    """
    is_driving, is_strummed = spec.drums in {"rock", "disco"}, spec.pattern in {"power", "strum"}
    tempo = song.tempo * spec.tempo_ratio
    groove = {"none": 0.3, "ballad": 0.45, "rock": 0.6, "shuffle": 0.7, "disco": 0.85}
    return {
        "danceability": groove[spec.drums],
        "energy": 0.35 + 0.35 * is_driving + 0.2 * is_strummed,
        "key": (song.tonic + spec.transpose) % 12,
        "mode": song.mode,
        "valence": min(1.0, 0.2 + 0.3 * song.mode + 0.3 * min(tempo / 180, 1) + 0.1 * is_driving),
        "tempo": round(tempo, 3),
    }


@dataclass(frozen=True)
class SamplingConfig:
    """How versions of a song are drawn."""

    n_versions: int
    seed: int  # of the first version; the next ones have the next seeds
    max_phrases: int | None = None  # of a version; None: no limit
    soundfonts: tuple[str, ...] = ()  # one is drawn for each version; empty: own synthesizer
    is_easy: bool = False  # as `make_easy`


def sample_specs(song: Song, config: SamplingConfig) -> list[VersionSpec]:
    """Return the specs of ``n_versions`` random versions of a song."""
    specs = [
        sample_spec(
            song, config.seed + i, max_phrases=config.max_phrases, soundfonts=config.soundfonts
        )
        for i in range(config.n_versions)
    ]
    return [make_easy(spec) for spec in specs] if config.is_easy else specs


def sample_spec(
    song: Song, seed: int, *, max_phrases: int | None = None, soundfonts: tuple[str, ...] = ()
) -> VersionSpec:
    """Return a random version: every nuisance at once, in the ranges of real covers.

    With ``soundfonts``, one of them and General MIDI programs are drawn as well; everything else is
    the same with and without.
    """
    # A stream of random numbers each: fields that were added later leave the earlier draws as they were.
    rng, second, third = (
        np.random.default_rng([seed, *stream, *song.song_id.encode()])
        for stream in ((), (1,), (3,))
    )
    spec = _sample_arrangement(song, seed, max_phrases, rng)
    spec = _sample_sound(spec, second)
    spec = replace(
        spec,
        harmony=float(third.choice([0.0, 0.0, third.uniform(0.2, 1.0)])),
        harmony_interval=int(third.choice([-5, -2, -2, 2, 2, 5])),
        riff=RIFFS[int(third.choice([0, 0, 1, 2]))],
        key_change=int(third.choice([0] * 9 + [1, 2, 3])),
    )
    if not soundfonts:
        return spec
    instruments = {"lead": spec.lead, "chords": spec.chord_instrument, "bass": "bass"}
    programs = {part: int(_pick(PROGRAMS[name], rng)) for part, name in instruments.items()}
    return replace(spec, soundfont=_pick(soundfonts, rng), programs=programs)


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _sample_arrangement(
    song: Song, seed: int, max_phrases: int | None, rng: np.random.Generator
) -> VersionSpec:
    gain = {part: float(rng.uniform(0.4, 1.0)) for part in ("lead", "chords", "bass", "drums")}
    draw = rng.random()
    if draw < 0.16:  # half of them karaoke versions, half with hardly any chords
        gain["lead" if draw < 0.08 else "chords"] = 0.05
    form = _sample_form(len(song.phrases), max_phrases, rng)
    spec = VersionSpec(
        seed=seed,
        transpose=int(rng.integers(-6, 7)),
        tempo_ratio=float(np.exp(rng.triangular(np.log(0.6), 0.0, np.log(1.6)))),
        drift=float(rng.uniform(0, 0.08)),
        swing=float(rng.choice([0.0, 0.0, rng.uniform(0.1, 0.33)])),
        form=form,
        intro=int(rng.choice([0, 8, 16])),
        outro=int(rng.choice([0, 8, 16])),
        solo=int(rng.integers(len(form))) if len(form) > 2 and rng.random() < 0.25 else -1,
        lead=_pick(MELODY_INSTRUMENTS, rng),
        octave=int(rng.choice([-1, 0, 0, 0, 1])),
        drop=float(rng.uniform(0, 0.15)),
        simplify=float(rng.choice([0.0, 0.0, rng.uniform(0, 0.8)])),
        ornaments=float(rng.uniform(0, 0.15)),
        syncopation=float(rng.uniform(0, 0.2)),
        chord_instrument=_pick(CHORD_INSTRUMENTS, rng),
        pattern=_pick(PATTERNS, rng),
        sevenths=bool(rng.random() < 0.3),
        substitutions=float(rng.choice([0.0, rng.uniform(0, 0.3)])),
        bass=_pick(BASS, rng),
        drums=_pick(DRUMS, rng),
        tuning_cents=float(rng.uniform(-50, 50)),
        noise_db=float(rng.uniform(-55, -28)),
        reverb=float(rng.uniform(0, 0.35)),
        compression=float(rng.uniform(0, 0.8)),
        lowpass_hz=float(rng.uniform(2500, 8000)),
        gain=gain,
    )
    if len(song.accompaniment) and rng.random() < 0.5:
        return replace(spec, pattern=WRITTEN, bass=_pick(("none", spec.bass), rng))
    return spec


def _sample_sound(spec: VersionSpec, rng: np.random.Generator) -> VersionSpec:
    spec = replace(
        spec,
        pitch_slides=float(rng.choice([0.0, rng.uniform(0.1, 0.5)])),
        eq_db=tuple(rng.uniform(-6, 6) + rng.uniform(-10, 10) * np.linspace(-1, 1, 5)),
        timbre={p: _sample_timbre(rng) for p in ("lead", "chords", "bass") if rng.random() < 0.7},
        pitch_perturbation=float(rng.choice([0.0, 0.0, rng.uniform(0.05, 0.35)])),
    )
    if rng.random() < 0.08:  # a capella
        gain = spec.gain | {"lead": max(spec.gain["lead"], 0.4)}
        return replace(spec, pattern=UNACCOMPANIED, bass="none", drums="none", gain=gain)
    return spec


def _sample_timbre(rng: np.random.Generator) -> tuple[float, ...]:
    """Return attack [s], decay [1/s] and eight harmonics that fall off unevenly."""
    attack, decay = np.exp(rng.uniform(np.log(0.003), np.log(0.2))), rng.uniform(0, 3.5)
    slope = -np.arange(8) * rng.uniform(0.08, 1.0)
    strengths = np.exp(slope + rng.normal(0, 0.7, 8))
    return (float(attack), float(decay), *(float(s) for s in strengths / strengths.max()))


def _sample_form(n: int, limit: int | None, rng: np.random.Generator) -> tuple[int, ...]:
    """Return phrases in order: one perhaps left out, one perhaps repeated, at most ``limit``."""
    order = list(range(n))
    if n > 2 and rng.random() < 0.3:
        order.pop(int(rng.integers(n)))
    if rng.random() < 0.5:
        at = int(rng.integers(len(order)))
        order.insert(at, order[at])
    if limit and len(order) > limit:
        start = int(rng.integers(len(order) - limit + 1))
        order = order[start : start + limit]
    return tuple(order)
