"""Every effect of augmentation: what it does, on waveforms and on tensors, and that it is reproducible."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.audio.augmentation.spec import parse, sample_augmentation
from covers.audio.augmentation.tensor import augment_tensor
from covers.audio.augmentation.waveform import augment_waveform
from covers.audio.features import compute, parameters, roll_key

RATE = 16_000
KINDS = {"chroma": 36, "log_frequency": 84, "log_mel": 128}
values = st.fixed_dictionaries(
    {"seed": st.integers(0, 2**31)},
    optional={
        "time_stretch": st.floats(0.5, 2), "pitch_shift": st.integers(-12, 12),
        "timbre": st.floats(0, 1), "eq": st.lists(st.floats(-20, 20), min_size=3, max_size=3),
        "reverb": st.floats(0, 3), "noise": st.floats(0, 1), "gain": st.floats(-20, 20),
        "crop": st.just([0.25, 0.5]), "mask": st.just([0.5, 0.1]),
    },
)  # fmt: skip


def tensor(kind, frames=40):
    x = np.random.default_rng(0).random((KINDS[kind], frames)).astype(np.float32)
    return x * 80 - 80 if kind == "log_mel" else x / np.linalg.norm(x, axis=0)


def tone(hertz, seconds=2.0):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def waveform(x, **effects):
    return augment_waveform(x, RATE, effects)


def augment(x, kind, spec):
    return augment_waveform(x, RATE, spec) if kind == "waveform" else augment_tensor(x, kind, spec)


def peak_hertz(x):
    return np.abs(np.fft.rfft(x * np.hanning(len(x)))).argmax() * RATE / len(x)


@given(spec=values, kind=st.sampled_from(sorted(KINDS)))
@settings(max_examples=60, deadline=None)
def test_any_spec_on_any_tensor_is_reproducible_finite_and_in_range(spec, kind):
    x = tensor(kind)
    made = augment_tensor(x, kind, json.dumps(spec))
    np.testing.assert_array_equal(made, augment_tensor(x.copy(), kind, spec))
    assert made.dtype == np.float32
    assert len(made) == len(x)
    assert np.isfinite(made).all()
    if kind == "log_mel":
        assert made.min() >= -80
    else:
        norms = np.linalg.norm(made, axis=0)
        assert np.all((np.abs(norms - 1) < 1e-4) | (norms == 0))
        assert made.min() >= 0


@given(spec=values)
@settings(max_examples=12, deadline=None)
def test_any_spec_on_a_waveform_is_reproducible_and_finite(spec):
    x = tone(330, 0.6)
    made = augment_waveform(x, RATE, spec)
    np.testing.assert_array_equal(made, augment_waveform(x.copy(), RATE, spec))
    assert np.isfinite(made).all()


@pytest.mark.parametrize("kind", [*KINDS, "waveform"])
def test_no_effect_and_neutral_effects_change_nothing(kind):
    x = tone(440) if kind == "waveform" else tensor(kind)
    neutral = {"pitch_shift": 0, "time_stretch": 1, "noise": 0, "timbre": 0, "eq": [0, 0, 0]}
    neutral |= {"reverb": 0, "gain": 0, "seed": 3}
    assert augment(x, kind, None) is x
    assert augment(x, kind, neutral) is x


def test_spec_does_not_depend_on_the_order_of_its_keys():
    x = tensor("chroma")
    one = augment_tensor(x, "chroma", '{"noise": 0.1, "time_stretch": 1.3, "seed": 1}')
    other = augment_tensor(x, "chroma", '{"seed": 1, "time_stretch": 1.3, "noise": 0.1}')
    np.testing.assert_array_equal(one, other)


def test_another_seed_gives_another_noise():
    x = tensor("chroma")
    one, other = (augment_tensor(x, "chroma", {"noise": 0.1, "seed": s}) for s in (1, 2))
    assert not np.allclose(one, other)


@pytest.mark.parametrize("semitones", [-5, 3, 12])
def test_pitch_shift_of_chroma_rolls_its_pitch_classes(semitones):
    x = tensor("chroma")
    made = augment_tensor(x, "chroma", {"pitch_shift": semitones})
    np.testing.assert_allclose(made, roll_key(x, semitones), atol=1e-6)


@pytest.mark.parametrize("kind", ["waveform", "log_frequency"])
def test_shifted_tone_peaks_where_the_higher_tone_does(kind):
    p = parameters("log_frequency")
    if kind == "waveform":
        made = compute([waveform(tone(440, 4.0), pitch_shift=5)], p)
    else:
        made = augment_tensor(compute([tone(440, 4.0)], p), kind, {"pitch_shift": 5})
    assert made[:, 4:-4].mean(axis=1).argmax() == 69 + 5 - 24


def test_shifted_log_mel_is_closest_to_that_of_the_higher_tone():
    p = parameters("log_mel")
    rate = p.sample_rate
    at = lambda f: compute([np.sin(2 * np.pi * f * np.arange(rate) / rate).astype(np.float32)], p)  # noqa: E731
    wanted = [
        np.abs(
            augment_tensor(at(440.0), "log_mel", {"pitch_shift": 4}) - at(440 * 2 ** (n / 12))
        ).mean()
        for n in range(13)
    ]
    assert int(np.argmin(wanted)) == 4


@pytest.mark.parametrize("kind", [*KINDS, "waveform"])
def test_time_stretch_lengthens_by_the_ratio(kind):
    x = tone(440) if kind == "waveform" else tensor(kind)
    made = augment(x, kind, {"time_stretch": 1.25})
    assert made.shape[-1] == pytest.approx(1.25 * x.shape[-1], rel=0.02)
    if kind == "waveform":
        assert peak_hertz(made) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("kind", [*KINDS, "waveform"])
def test_crop_keeps_its_section_and_mask_silences_its_section(kind):
    x = tone(440) if kind == "waveform" else tensor(kind)
    n = x.shape[-1]
    cropped = augment(x, kind, {"crop": [0.25, 0.5]})
    np.testing.assert_allclose(cropped, x[..., n // 4 : 3 * n // 4], atol=1e-6)
    masked = augment(x, kind, {"mask": [0.25, 0.5]})
    silent = -80 if kind == "log_mel" else 0
    assert np.all(masked[..., n // 4 : 3 * n // 4] == silent)
    np.testing.assert_allclose(masked[..., : n // 4], x[..., : n // 4], atol=1e-6)


def test_gain_of_six_decibels_doubles_a_waveform_and_adds_to_log_mel():
    x = tone(440)
    np.testing.assert_allclose(waveform(x, gain=20 * math.log10(2)), 2 * x, rtol=1e-4)
    mel = tensor("log_mel")
    np.testing.assert_allclose(augment_tensor(mel, "log_mel", {"gain": 6}), mel + 6, atol=1e-4)


@pytest.mark.parametrize(("hertz", "band"), [(40, 0), (262, 1), (4000, 2)])
def test_eq_of_a_waveform_changes_its_own_band(hertz, band):
    x = tone(hertz)
    levels = []
    for i in range(3):
        decibels = [0.0, 0.0, 0.0]
        decibels[i] = -12.0
        made = waveform(x, eq=decibels)[RATE // 2 :]
        levels.append(20 * math.log10(np.std(made) / np.std(x[RATE // 2 :])))
    assert int(np.argmin(levels)) == band
    assert levels[band] < -6


def test_eq_of_chroma_scales_its_registers():
    x = tensor("chroma")
    made = augment_tensor(x, "chroma", {"eq": [-60, 0, 0]})
    assert made[:12].max() < 0.01
    np.testing.assert_allclose(made[12:24] / made[24:], x[12:24] / x[24:], rtol=1e-4)


def test_reverb_fills_the_silence_after_a_click():
    x = np.zeros(RATE, np.float32)
    x[0] = 1
    made = waveform(x, reverb=0.5)
    assert np.abs(made[: RATE // 4]).sum() > 2
    assert np.abs(made[RATE // 2 + 1 :]).max() < 1e-3
    y = np.zeros((36, 20), np.float32)
    y[0, 0] = 1
    assert augment_tensor(y, "chroma", {"reverb": 2.0})[0, 5] == pytest.approx(1.0)


def test_noise_has_its_share_of_the_standard_deviation():
    x = tone(440)
    assert np.std(waveform(x, noise=0.1, seed=4) - x) == pytest.approx(0.1 * np.std(x), rel=0.05)


def test_timbre_adds_overtones():
    made = np.abs(np.fft.rfft(waveform(tone(200), timbre=0.3)))
    assert made[600 * 2] > 0.01 * made[200 * 2]
    x = np.zeros((84, 3), np.float32)
    x[10] = 1
    made = augment_tensor(x, "log_frequency", {"timbre": 1.0})
    assert set(np.flatnonzero(made[:, 0])) == {10, 22, 29}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ('{"reverse": 1}', "must be an object with keys of"),
        ("[1]", "must be an object with keys of"),
        ('{"pitch_shift": 40}', "pitch_shift must be 1 of -24 to 24"),
        ('{"eq": [1, 2]}', "eq must be 3 of -60 to 24"),
        ('{"noise": NaN}', "noise must be 1 of 0 to 10"),
    ],
)  # fmt: skip
def test_spec_with_an_unknown_effect_or_value_is_rejected_with_the_allowed_ones(spec, words):
    with pytest.raises(ValueError, match=words):
        augment_tensor(tensor("chroma"), "chroma", spec)


def test_waveform_without_a_sample_rate_is_rejected():
    with pytest.raises(ValueError, match="sample_rate must be positive"):
        augment_waveform(tone(440), 0, {"gain": 3})


def test_random_specs_differ_parse_and_depend_on_the_generator_alone():
    rng = np.random.default_rng(1)
    drawn = [sample_augmentation(rng) for _ in range(50)]
    assert len({json.dumps(spec) for spec in drawn}) == 50
    assert all(parse(json.dumps(spec)) == parse(spec) for spec in drawn)
    assert sample_augmentation(np.random.default_rng(1)) == drawn[0]
