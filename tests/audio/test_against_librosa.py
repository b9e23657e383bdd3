"""The representations against librosa's on the same music, with tolerances; a semitone off is far outside."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from covers.audio.features import HIGH, LOW, compress, compute, magnitudes, parameters
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import sample_spec

P = parameters("log_frequency")
HOP = 512  # librosa's transform needs a multiple of 64, ours takes 4,000


@pytest.fixture(scope="module", params=range(3))
def music(request):
    """A rendered song [16 kHz], librosa's constant-Q magnitudes (84, n), and its frames at ours."""
    song = compose(request.param, 0)
    drawn = sample_spec(song, request.param, max_phrases=2)
    spec = replace(drawn, tuning_cents=0.0, eq_db=(), timbre={}, pitch_perturbation=0.0)
    waveform = render(arrange(song, spec), spec, sample_rate=P.sample_rate).astype(np.float32)
    theirs = np.abs(
        librosa.cqt(
            waveform, sr=P.sample_rate, hop_length=HOP, fmin=librosa.midi_to_hz(LOW),
            n_bins=HIGH - LOW, tuning=0.0, pad_mode="constant",
        )
    )  # fmt: skip
    theirs = uniform_filter1d(theirs, 8, axis=1)  # a quarter of a second, as ours
    at = np.round(np.arange(len(waveform) // P.hop + 1) * P.hop / HOP).astype(int)
    return waveform, theirs, at[at < theirs.shape[1]]


def cosine(a, b):
    """Mean over frames of the cosine of (n_bins, T) and (n_bins, T)."""
    length = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return float(np.mean(np.sum(a * b, axis=0) / np.maximum(length, 1e-9)))


def test_log_frequency_is_within_cosine_four_fifths_of_librosas_constant_q(music):
    waveform, theirs, at = music
    ours = compute([waveform], P)[:, : len(at)]
    together = cosine(ours, compress(theirs[:, at]))
    assert together > 0.8
    assert cosine(np.roll(ours, 1, axis=0), compress(theirs[:, at])) < together - 0.2


def test_pitch_classes_are_within_cosine_nine_tenths_of_librosas_chroma(music):
    waveform, theirs, at = music
    ours = magnitudes([waveform], P)[:, : len(at)].reshape(7, 12, -1).sum(axis=0)
    chroma = librosa.feature.chroma_cqt(
        C=theirs, bins_per_octave=12, n_octaves=7, fmin=librosa.midi_to_hz(LOW)
    )[:, at]
    assert cosine(ours, chroma) > 0.9
    assert cosine(np.roll(ours, 1, axis=0), chroma) < cosine(ours, chroma) - 0.1
