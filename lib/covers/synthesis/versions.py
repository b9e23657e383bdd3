"""Unlike versions of one song: a small declared spec, and the notes that it asks for.

*Conventions.* A spec is plain data (JSON); the same song and spec give the same notes, so that
what differs between two versions is a query. Notes are (n, 4) float64: onset [s], duration [s],
MIDI pitch (fractional where detuned), velocity 0-1, by instrument. ``drums`` holds (n, 3): onset
[s], kind (0 kick, 1 snare, 2 hat), velocity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from covers.synthesis.song import QUALITIES, Chord, Song

MELODY_INSTRUMENTS = ("voice", "guitar", "strings", "brass", "organ", "flute", "piano")
CHORD_INSTRUMENTS = ("piano", "guitar", "organ", "strings", "pad")
PATTERNS = ("block", "strum", "arpeggio", "power", "pad")
WRITTEN = "written"  # the pattern of a song that has its own accompaniment
ALONE = "none"  # the pattern of a melody without accompaniment
PROGRAMS = {  # of General MIDI, for each instrument
    "voice": (52, 53, 54, 65, 66, 69, 85), "guitar": (24, 25, 26, 27, 28, 29, 30, 105),
    "strings": (40, 41, 42, 45, 48, 49, 50), "brass": (56, 57, 58, 60, 61, 62, 64, 67),
    "organ": (16, 17, 18, 19, 21, 22), "flute": (68, 70, 71, 72, 73, 74, 75, 78),
    "piano": (0, 1, 3, 4, 5, 6, 7, 11), "pad": (88, 89, 90, 91, 92, 94, 95), "bass": (32, 33, 34, 35, 36, 38, 39),
}  # fmt: skip
TONE_PITCHES = (24, 45, 66, 87, 108)  # MIDI
BASS = ("root", "eighths", "walking", "none")
RIFFS = ("none", "throughout", "fills")
PENTATONIC = ((0, 3, 5, 7, 10), (0, 2, 4, 7, 9))  # by mode: minor, major
DRUMS = ("none", "rock", "disco", "ballad", "shuffle")


@dataclass(frozen=True)
class VersionSpec:
    """How one version differs from the song as written; every field is a nuisance of covers."""

    seed: int
    transpose: int = 0  # semitones, -6 to 6
    tempo_ratio: float = 1.0  # 0.6 to 1.6
    drift: float = 0.0  # depth of slow tempo changes, 0 to 0.08
    swing: float = 0.0  # how late the second half of a beat is: 0 straight, 0.33 triplets
    form: tuple[int, ...] = ()  # phrases in the order played; empty = all, once
    intro: int = 0  # beats of the first phrase without melody before it
    outro: int = 0  # the same of the last phrase, after it
    solo: int = -1  # place in the form whose melody is improvised over the chords; -1: none
    lift: int = 0  # semitones that the last third is played higher
    lead: str = "voice"
    octave: int = 0  # of the melody
    drop: float = 0.0  # share of melody notes left out
    simplify: float = 0.0  # share of melody notes off the beat left out
    ornaments: float = 0.0  # share of melody notes with a neighbour note
    syncopation: float = 0.0  # share of melody notes moved by half a beat
    scoops: float = 0.0  # share of melody notes begun from a step below
    altered: float = 0.0  # share of melody notes moved to a neighbour in the melody's own scale
    harmony: float = 0.0  # share of melody notes doubled by a second voice
    interval: int = (
        2  # of that voice, in steps of the melody's own scale: a third, a sixth, below or above
    )
    chord_instrument: str = "piano"
    pattern: str = "block"  # one of PATTERNS, the song's own accompaniment as written, or none
    sevenths: bool = False
    substitutions: float = 0.0  # share of chords replaced by their relative minor or major
    riff: str = "none"  # a figure of two bars of the version's own: none, throughout, or where the melody rests
    bass: str = "root"
    drums: str = "none"
    tuning_cents: float = 0.0  # -50 to 50
    noise_db: float = -60.0  # of the mix
    room: float = 0.0  # share of reverberation, 0 to 0.4
    compression: float = 0.0  # share of the loudness's changes evened out, 0 to 1
    lowpass_hz: float = 8000.0
    gain: dict[str, float] = field(default_factory=dict)  # of lead, chords, bass, drums
    # Of a part, in place of its instrument's (not of a font's): attack [s], decay [1/s], then the
    # strengths of eight harmonics.
    timbre: dict[str, tuple[float, ...]] = field(default_factory=dict)
    tone_db: tuple[float, ...] = ()  # equaliser of the mix at TONE_PITCHES; empty: flat
    font: str = ""  # sound font that fluidsynth plays it with; none: the project's synthesiser
    programs: dict[str, int] = field(default_factory=dict)  # General MIDI, 0-127, by part

    def to_dict(self) -> dict:
        """Return plain data, ready for JSON."""
        return asdict(self)


NUISANCES = {  # which fields a cover may change for one reason
    "key": ("transpose", "tuning_cents"),
    "tempo": ("tempo_ratio", "drift", "swing"),
    "timbre": (
        "lead", "octave", "chord_instrument", "gain", "font", "programs", "noise_db", "room", "compression",
        "lowpass_hz", "timbre", "tone_db",
    ),
    "melody": (
        "drop", "simplify", "ornaments", "syncopation", "scoops", "altered", "harmony", "interval",
    ),
    "accompaniment": ("pattern", "sevenths", "substitutions", "riff", "bass", "drums"),
    "form": ("form", "intro", "outro", "solo", "lift"),
}  # fmt: skip


def only(spec: VersionSpec, *nuisances: str) -> VersionSpec:
    """Return the spec with these nuisances as they are and all others as the song is written.

    Examples
    --------
    >>> only(VersionSpec(1, transpose=3, octave=1), "key") == VersionSpec(1, transpose=3)
    True
    """
    kept = {name: getattr(spec, name) for n in nuisances for name in NUISANCES[n]}
    return VersionSpec(spec.seed, **kept)


def milder(spec: VersionSpec) -> VersionSpec:
    """Return the spec without what changes its notes most: a network can learn these from thirty songs."""
    return replace(spec, altered=0.0, harmony=0.0, riff="none", lift=0)


def truth_of(song: Song, spec: VersionSpec) -> dict[str, float]:
    """Return what is known of a version without listening: the catalogue's six attributes.

    Key (before any lift), mode and tempo are exact; danceability, energy and valence follow from
    drums, pattern, mode and tempo, in 0-1.
    """
    driving, strummed = spec.drums in {"rock", "disco"}, spec.pattern in {"power", "strum"}
    tempo = song.tempo * spec.tempo_ratio
    groove = {"none": 0.3, "ballad": 0.45, "rock": 0.6, "shuffle": 0.7, "disco": 0.85}
    return {
        "danceability": groove[spec.drums],
        "energy": 0.35 + 0.35 * driving + 0.2 * strummed,
        "key": (song.tonic + spec.transpose) % 12,
        "mode": song.mode,
        "valence": min(1.0, 0.2 + 0.3 * song.mode + 0.3 * min(tempo / 180, 1) + 0.1 * driving),
        "tempo": round(tempo, 3),
    }


def sample_spec(
    song: Song, seed: int, *, max_phrases: int | None = None, fonts: tuple[str, ...] = ()
) -> VersionSpec:
    """Draw a version: every nuisance at once, in the ranges of real covers; with ``fonts``, also the
    sound font and General MIDI programs that play it.
    """
    rng = np.random.default_rng([seed, *song.song_id.encode()])
    pick = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    gain = {part: float(rng.uniform(0.4, 1.0)) for part in ("lead", "chords", "bass", "drums")}
    silent = rng.random()  # a karaoke version, or a voice almost alone
    if silent < 0.16:
        gain["lead" if silent < 0.08 else "chords"] = 0.05
    form = _form(len(song.phrases), max_phrases, rng)
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
        lead=pick(MELODY_INSTRUMENTS),
        octave=int(rng.choice([-1, 0, 0, 0, 1])),
        drop=float(rng.uniform(0, 0.15)),
        simplify=float(rng.choice([0.0, 0.0, rng.uniform(0, 0.8)])),
        ornaments=float(rng.uniform(0, 0.15)),
        syncopation=float(rng.uniform(0, 0.2)),
        chord_instrument=pick(CHORD_INSTRUMENTS),
        pattern=pick(PATTERNS),
        sevenths=bool(rng.random() < 0.3),
        substitutions=float(rng.choice([0.0, rng.uniform(0, 0.3)])),
        bass=pick(BASS),
        drums=pick(DRUMS),
        tuning_cents=float(rng.uniform(-50, 50)),
        noise_db=float(rng.uniform(-55, -28)),
        room=float(rng.uniform(0, 0.35)),
        compression=float(rng.uniform(0, 0.8)),
        lowpass_hz=float(rng.uniform(2500, 8000)),
        gain=gain,
    )
    if len(song.accompaniment) and rng.random() < 0.5:
        spec = replace(spec, pattern=WRITTEN, bass=pick(("none", spec.bass)))
    own = np.random.default_rng([seed, 1, *song.song_id.encode()])  # what came later, drawn apart
    spec = replace(
        spec,
        scoops=float(own.choice([0.0, own.uniform(0.1, 0.5)])),
        tone_db=tuple(own.uniform(-6, 6) + own.uniform(-10, 10) * np.linspace(-1, 1, 5)),
        timbre={p: _timbre(own) for p in ("lead", "chords", "bass") if own.random() < 0.7},
        altered=float(own.choice([0.0, 0.0, own.uniform(0.05, 0.35)])),
    )  # fmt: skip
    if own.random() < 0.08:
        heard = spec.gain | {"lead": max(spec.gain["lead"], 0.4)}
        spec = replace(spec, pattern=ALONE, bass="none", drums="none", gain=heard)
    own = np.random.default_rng([seed, 3, *song.song_id.encode()])  # and later still
    spec = replace(
        spec,
        harmony=float(own.choice([0.0, 0.0, own.uniform(0.2, 1.0)])),
        interval=int(own.choice([-5, -2, -2, 2, 2, 5])),
        riff=RIFFS[int(own.choice([0, 0, 1, 2]))],
        lift=int(own.choice([0] * 9 + [1, 2, 3])),
    )
    if fonts:
        instruments = {"lead": spec.lead, "chords": spec.chord_instrument, "bass": "bass"}
        programs = {part: int(pick(PROGRAMS[name])) for part, name in instruments.items()}
        return replace(spec, font=pick(fonts), programs=programs)
    return spec


def _timbre(rng: np.random.Generator) -> tuple[float, ...]:
    """Draw an instrument: attack, decay, and eight harmonics, weaker upwards but not evenly."""
    attack, decay = np.exp(rng.uniform(np.log(0.003), np.log(0.2))), rng.uniform(0, 3.5)
    falling = -np.arange(8) * rng.uniform(0.08, 1.0)
    strengths = np.exp(falling + rng.normal(0, 0.7, 8))
    return (float(attack), float(decay), *(float(s) for s in strengths / strengths.max()))


def _form(n: int, limit: int | None, rng: np.random.Generator) -> tuple[int, ...]:
    """Phrases in order; some repeated, some left out, perhaps begun in the middle."""
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


@dataclass(frozen=True)
class Score:
    """What is played: notes by part, drums, length."""

    parts: dict[str, tuple[str, np.ndarray]]
    drums: np.ndarray
    duration_s: float


def arrange(song: Song, spec: VersionSpec) -> Score:
    """Write out the version; see `VersionSpec` for what each field does."""
    rng = np.random.default_rng(spec.seed)
    melody, chords, written, n_beats = _lay_out(song, spec, rng)
    melody = _altered(_vary_melody(melody, spec, rng), song.melody[:, 2], spec)
    sung = np.concatenate([melody, _second_voice(melody, song.melody[:, 2], spec)])
    chords = _substituted(chords, spec.substitutions, rng)
    to_seconds = _tempo_map(song.tempo * spec.tempo_ratio, spec, n_beats, rng)
    shift = spec.transpose + spec.tuning_cents / 100
    parts = {"lead": (spec.lead, sung + np.array([0, 0, 12 * spec.octave, 0]))}
    if spec.pattern != ALONE:
        accompaniment = written if spec.pattern == WRITTEN else _accompany(chords, spec)
        riff = _riff(song, melody, n_beats, spec)
        parts["chords"] = (spec.chord_instrument, np.concatenate([accompaniment, riff]))
    if spec.bass != "none":
        parts["bass"] = ("bass", _bass_line(chords, spec.bass))
    played = {}
    for name, (instrument, notes) in parts.items():
        notes[:, 2] += shift + spec.lift * (notes[:, 0] >= n_beats * 2 / 3)
        onset, end = to_seconds(notes[:, 0]), to_seconds(notes[:, 0] + notes[:, 1])
        velocity = notes[:, 3] * spec.gain.get(name, 1.0)
        played[name] = (
            instrument,
            np.stack([onset, np.maximum(end - onset, 0.05), notes[:, 2], velocity], axis=1),
        )
    drums = _drum_track(spec.drums, n_beats)
    if len(drums):
        drums = np.stack(
            [to_seconds(drums[:, 0]), drums[:, 1], drums[:, 2] * spec.gain.get("drums", 1.0)],
            axis=1,
        )
    return Score(played, drums, float(to_seconds(np.array([n_beats]))[0]) + 1.0)


def _lay_out(
    song: Song, spec: VersionSpec, rng: np.random.Generator
) -> tuple[np.ndarray, list[Chord], np.ndarray, float]:
    """Put intro, phrases and outro one after the other, in beats: melody, chords, accompaniment."""
    notes, written, chords, now = [], [], [], 0.0
    form = spec.form or tuple(range(len(song.phrases)))
    sections = [
        (*song.phrases[index], "solo" if at == spec.solo else "melody")
        for at, index in enumerate(form)
    ]
    if spec.intro:
        start, end, _ = sections[0]
        sections.insert(0, (start, min(start + spec.intro, end), "chords"))
    if spec.outro:
        start, end, _ = sections[-1]
        sections.append((max(end - spec.outro, start), end, "chords"))
    for start, end, what in sections:
        played = [
            (max(onset, start) - start + now, min(onset + length, end) - max(onset, start), root, quality)
            for onset, length, root, quality in song.chords
            if min(onset + length, end) > max(onset, start)
        ]  # fmt: skip
        if what == "melody":
            notes.append(_moved(song.melody, start, end, now))
        elif what == "solo":
            notes.append(_improvised(played, float(np.median(song.melody[:, 2])), rng))
        written.append(_moved(song.accompaniment, start, end, now))
        chords += played
        now += end - start
    melody, accompaniment = np.concatenate(notes), np.concatenate(written)
    accompaniment[:, 3] *= 0.7  # as loud as `_accompany`
    return np.column_stack([melody, np.full(len(melody), 0.9)]), chords, accompaniment, now


def _improvised(chords: list[Chord], centre: float, rng: np.random.Generator) -> np.ndarray:
    """Return a solo, (n, 3): eighths and quarters on the chords' tones around a pitch."""
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


def _moved(notes: np.ndarray, start: float, end: float, to: float) -> np.ndarray:
    """Return the notes that begin from ``start`` to ``end``, beginning at ``to`` instead."""
    inside = notes[(notes[:, 0] >= start) & (notes[:, 0] < end)].copy()
    inside[:, 0] += to - start
    return inside


def _vary_melody(melody: np.ndarray, spec: VersionSpec, rng: np.random.Generator) -> np.ndarray:
    on_beat = np.abs(melody[:, 0] - np.round(melody[:, 0])) < 0.1
    left_out = rng.random(len(melody)) < np.where(on_beat, spec.drop, max(spec.drop, spec.simplify))
    kept = melody[~left_out].copy()
    late = rng.random(len(kept)) < spec.syncopation
    kept[late, 0] += 0.5
    kept[late, 1] = np.maximum(kept[late, 1] - 0.5, 0.25)
    ornate = kept[rng.random(len(kept)) < spec.ornaments].copy()
    ornate[:, 1] = 0.2
    ornate[:, 0] -= 0.2
    ornate[:, 2] += rng.choice([-2, -1, 1, 2], size=len(ornate))
    parts = [kept, ornate[ornate[:, 0] >= 0]]
    if spec.scoops:
        bent = kept[rng.random(len(kept)) < spec.scoops].copy()
        bent[:, 1] = np.minimum(bent[:, 1], 0.2)
        bent[:, 2] -= rng.choice([1, 1, 2], size=len(bent))
        parts.append(bent)
    return np.concatenate(parts)


def _altered(melody: np.ndarray, written: np.ndarray, spec: VersionSpec) -> np.ndarray:
    """Move notes of a melody to the next pitch, up or down, of those classes that are ``written``."""
    rng = np.random.default_rng([spec.seed, 2])
    scale, moved = _scale(written), melody.copy()
    chosen = rng.random(len(melody)) < spec.altered
    place = np.searchsorted(scale, melody[chosen, 2]) + rng.choice([-1, 1], size=chosen.sum())
    moved[chosen, 2] = scale[np.clip(place, 0, len(scale) - 1)]
    return moved


def _scale(written: np.ndarray) -> np.ndarray:
    """Return all pitches of the classes that are ``written``, upwards."""
    return np.flatnonzero(np.isin(np.arange(-12, 152) % 12, np.unique(written % 12))) - 12.0


def _second_voice(melody: np.ndarray, written: np.ndarray, spec: VersionSpec) -> np.ndarray:
    """Return a second voice to some of a melody's notes, some steps away in the scale ``written``."""
    rng = np.random.default_rng([spec.seed, 3])
    scale, voice = _scale(written), melody[rng.random(len(melody)) < spec.harmony].copy()
    place = np.searchsorted(scale, voice[:, 2]) + spec.interval
    voice[:, 2] = scale[np.clip(place, 0, len(scale) - 1)]
    voice[:, 3] *= 0.7
    return voice


def _riff(song: Song, melody: np.ndarray, n_beats: float, spec: VersionSpec) -> np.ndarray:
    """Return a figure of two bars, drawn once and repeated, in the song's pentatonic scale."""
    if spec.riff == "none":
        return np.empty((0, 4))
    rng = np.random.default_rng([spec.seed, 4])
    at = np.sort(rng.choice(np.arange(0, 8, 0.5), size=int(rng.integers(4, 11)), replace=False))
    length = np.diff(at, append=8.0)
    steps = np.cumsum(rng.choice([-2, -1, 0, 1, 2], size=len(at)))
    five = PENTATONIC[song.mode]
    octave = 48 + 12 * int(rng.integers(0, 3))
    pitch = np.array([octave + song.tonic + 12 * (s // 5) + five[s % 5] for s in steps])
    starts = np.arange(0, n_beats, 8.0)[:, None]
    notes = np.stack(
        [(starts + at).ravel(), np.tile(length, len(starts)), np.tile(pitch, len(starts)),
         np.full(len(starts) * len(at), 0.6)], axis=1,
    )  # fmt: skip
    if spec.riff == "fills" and len(melody):
        sounding = np.zeros(int(2 * n_beats) + 18, dtype=bool)
        for onset, duration in melody[:, :2]:
            sounding[max(int(2 * onset), 0) : int(np.ceil(2 * (onset + duration)))] = True
        notes = notes[~sounding[(2 * notes[:, 0]).astype(int)]]
    return notes[notes[:, 0] < n_beats]


def _substituted(chords: list[Chord], share: float, rng: np.random.Generator) -> list[Chord]:
    """Replace chords by their relative: C by A minor, A minor by C; two of three tones stay."""
    replaced = []
    for onset, length, root, quality in chords:
        if rng.random() < share and quality in {"maj", "min"}:
            to_minor = quality == "maj"
            root, quality = (root + (9 if to_minor else 3)) % 12, "min" if to_minor else "maj"
        replaced.append((onset, length, root, quality))
    return replaced


def _tempo_map(
    bpm: float, spec: VersionSpec, n_beats: float, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """Return beats -> seconds: the tempo sways slowly by ``drift``, half beats are late by ``swing``."""
    marks = np.arange(0, n_beats + 9)
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(16, 48)
    pace = 60 / bpm * (1 + spec.drift * np.sin(2 * np.pi * marks / period + phase))
    at = np.concatenate([[0.0], np.cumsum(pace[:-1])])
    half = 0.5 * (1 + spec.swing)

    def to_seconds(beats: np.ndarray) -> np.ndarray:
        whole = np.floor(beats)
        return np.interp(whole + np.interp(beats - whole, (0, 0.5, 1), (0, half, 1)), marks, at)

    return to_seconds


def _accompany(chords: list[Chord], spec: VersionSpec) -> np.ndarray:
    notes = []
    for onset, length, root, quality in chords:
        tones = list(QUALITIES[quality])
        if spec.sevenths and len(tones) == 3:
            tones.append(11 if quality == "maj" else 10)
        pitches = [48 + root + t for t in (tones if spec.pattern != "power" else (0, 7, 12))]
        if spec.pattern == "pad":
            notes += [(onset, length, p, 0.45) for p in pitches]
        elif spec.pattern == "arpeggio":
            steps = np.arange(0, length, 0.5)
            notes += [(onset + s, 0.6, pitches[i % len(pitches)], 0.5) for i, s in enumerate(steps)]
        else:
            step = 2.0 if spec.pattern == "block" else (1.0 if spec.pattern == "power" else 0.5)
            roll = 0.03 if spec.pattern == "strum" else 0.0
            for s in np.arange(0, length, step):
                notes += [(onset + s + roll * i, step * 0.9, p, 0.4) for i, p in enumerate(pitches)]
    return np.array(notes, dtype=float).reshape(-1, 4)


def _bass_line(chords: list[Chord], style: str) -> np.ndarray:
    notes = []
    for onset, length, root, quality in chords:
        tones = QUALITIES[quality]
        low = 36 + root if root < 6 else 24 + root
        if style == "walking":
            walk = [0, tones[1], tones[2], tones[1]]
            notes += [(onset + i, 0.9, low + walk[i % 4], 0.7) for i in range(int(max(length, 1)))]
        else:
            step = 0.5 if style == "eighths" else 2.0
            notes += [(onset + s, step * 0.9, low, 0.7) for s in np.arange(0, length, step)]
    return np.array(notes, dtype=float).reshape(-1, 4)


def _drum_track(style: str, n_beats: float) -> np.ndarray:
    hits: dict[str, list[tuple[float, int, float]]] = {  # beat in the bar, kind, velocity
        "none": [],
        "rock": [
            (0, 0, 1),
            (2, 0, 0.9),
            (1, 1, 0.9),
            (3, 1, 0.9),
            *[(i / 2, 2, 0.4) for i in range(8)],
        ],
        "disco": [
            *[(i, 0, 1) for i in range(4)],
            (1, 1, 0.7),
            (3, 1, 0.7),
            *[(i + 0.5, 2, 0.6) for i in range(4)],
        ],
        "ballad": [(0, 0, 0.7), (2, 1, 0.5), *[(i, 2, 0.2) for i in range(4)]],
        "shuffle": [
            (0, 0, 0.9),
            (2, 0, 0.8),
            (1, 1, 0.7),
            (3, 1, 0.7),
            *[(i + 0.67, 2, 0.5) for i in range(4)],
        ],
    }
    bars = range(int(n_beats // 4))
    return np.array(
        [(4 * bar + b, kind, v) for bar in bars for b, kind, v in hits[style]], dtype=float
    ).reshape(-1, 3)
