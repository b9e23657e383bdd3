"""Features computed from notes are close to those of the rendered waveform."""

from dataclasses import replace

import numpy as np
import pytest

from covers.audio.features import compute, fold, parameters, roll_key
from covers.synthesis import symbolic_features
from covers.synthesis.arrange import Score, arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import DRUMS, sample_spec

SONG = compose(5, 0)


def both(spec, song=SONG):
    """Return symbolic and audio features; half a semitone out of tune, audio may be in either of two keys."""
    score = arrange(song, spec)
    audio = compute([render(score, spec)], parameters("log_frequency"))
    symbolic = symbolic_features.compute_log_frequency(score, spec)
    assert symbolic.shape == audio.shape
    return symbolic, max(
        (np.roll(audio, s, axis=0) for s in (-1, 0, 1)), key=lambda h: cosine(symbolic, h)
    )


def cosine(a, b):
    return float(np.mean(np.sum(a * b, axis=0)))


@pytest.mark.parametrize("seed", range(6))
def test_symbolic_features_are_close_to_those_of_the_audio(seed):
    song = compose(seed, 0)
    symbolic, audio = both(sample_spec(song, seed), song)
    assert cosine(symbolic, audio) > 0.82
    assert cosine(fold(symbolic), fold(audio)) > 0.87


def test_another_version_is_further_away_than_the_audio_of_the_same():
    spec, other = (
        replace(sample_spec(SONG, s), tempo_ratio=1.0, drift=0.0, form=()) for s in (1, 2)
    )
    symbolic, audio = both(spec)
    another, _ = both(other)
    n = min(symbolic.shape[1], another.shape[1])
    assert cosine(symbolic[:, :n], another[:, :n]) < cosine(symbolic, audio) - 0.2


@pytest.mark.parametrize(
    "change",
    [{"eq_db": (-30, -15, 0, 15, 30)}, {"timbre": {"lead": (0.1, 1.0, *range(8, 0, -1))}}],
)
def test_equalizer_and_timbre_change_symbolic_features_as_they_change_audio(change):
    plain = replace(sample_spec(SONG, 3), drums="none", noise_db=-60.0, eq_db=(), timbre={})
    changed = replace(plain, **change)
    (before, _), (after, audio) = both(plain), both(changed)
    assert cosine(after, audio) > 0.85
    assert cosine(after, audio) > cosine(before, audio) + 0.005


@pytest.mark.parametrize("drums", DRUMS)
def test_drums_are_where_they_are_in_the_audio(drums):
    spec = replace(sample_spec(SONG, 3), drums=drums, noise_db=-60.0)
    assert cosine(*both(spec)) > 0.85


@pytest.mark.parametrize("semitones", [-4, 2, 5])
def test_transposition_rolls_the_pitch_classes(semitones):
    spec = replace(sample_spec(SONG, 1), drums="none", noise_db=-60.0, transpose=0)
    low = fold(symbolic_features.compute_log_frequency(arrange(SONG, spec), spec))
    spec = replace(spec, transpose=semitones)
    high = fold(symbolic_features.compute_log_frequency(arrange(SONG, spec), spec))
    in_tune = [cosine(roll_key(low, s), high) for s in range(12)]
    assert int(np.argmax(in_tune)) == semitones % 12


def test_tuning_does_not_change_symbolic_features():
    spec = replace(sample_spec(SONG, 1), tuning_cents=0.0)
    sharp = replace(spec, tuning_cents=31.0)
    one, other = (
        symbolic_features.compute_log_frequency(arrange(SONG, s), s) for s in (spec, sharp)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_same_spec_gives_the_same_bits():
    spec = sample_spec(SONG, 9)
    one, other = (
        symbolic_features.compute_log_frequency(arrange(SONG, spec), spec) for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)
    norms = np.linalg.norm(one, axis=0)
    assert np.all((np.abs(norms - 1) < 1e-4) | (norms < 1e-4))


@pytest.mark.parametrize("midi", [36, 55, 76, 95])
def test_a_long_note_is_strongest_in_its_own_semitone(midi):
    note = np.array([[1.0, 6.0, midi, 0.9]])
    spec = replace(sample_spec(SONG, 1), drums="none", tuning_cents=0.0, noise_db=-60.0, reverb=0.0)
    score = Score({"lead": ("flute", note)}, np.zeros((0, 3)), 8.0)
    assert (
        int(symbolic_features.compute_log_frequency(score, spec)[:, 12:20].mean(axis=1).argmax())
        == midi - 24
    )


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (Score({}, np.zeros((0, 3)), 0.0), "duration_s must be positive"),
        (
            Score({"lead": ("kazoo", np.ones((1, 4)))}, np.zeros((0, 3)), 2.0),
            "instrument must be one of",
        ),
    ],
)
def test_score_that_cannot_be_played_is_rejected(score, message):
    with pytest.raises(ValueError, match=message):
        symbolic_features.compute_log_frequency(score, sample_spec(SONG, 1))
