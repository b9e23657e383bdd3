import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from covers.audio import attributes, decode, extract, features, quantize, sandbox
from covers.audio.features import compute, fold, parameters, roll_key
from covers.errors import InputError


def tone(midi, *, seconds=4.0, sample_rate=16_000):
    t = np.arange(int(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * t)).astype(np.float32)


@pytest.mark.parametrize("midi", [36, 48, 60, 69, 81, 95])
def test_pure_tone_is_strongest_in_its_own_semitone(midi):
    x = compute([tone(midi)], parameters("log_frequency"))
    assert int(x[:, 4:-4].mean(axis=1).argmax()) == midi - 24


@pytest.mark.parametrize("midi", [50, 64, 77])
def test_tone_a_semitone_up_rolls_one_bin(midi):
    low = compute([tone(midi)], parameters("log_frequency"))[:, 4:-4].mean(axis=1)
    high = compute([tone(midi + 1)], parameters("log_frequency"))[:, 4:-4].mean(axis=1)
    assert np.corrcoef(np.roll(low, 1), high)[0, 1] > 0.95


def test_tone_a_third_of_a_semitone_sharp_is_tuned_back():
    x = compute([tone(69.3)], parameters("log_frequency"))
    assert int(x[:, 4:-4].mean(axis=1).argmax()) == 69 - 24


def test_blocks_of_any_size_give_the_same_tensor():
    waveform = np.random.default_rng(0).normal(size=80_000).astype(np.float32) * 0.1
    for name in ("chroma", "log_mel"):
        whole = compute([waveform], parameters(name))
        pieces = compute(np.array_split(waveform, 7), parameters(name))
        np.testing.assert_allclose(pieces, whole, atol=1e-3)


def test_log_mel_agrees_with_librosa_within_a_tenth_of_a_decibel():
    import librosa

    waveform = librosa.chirp(fmin=80, fmax=8000, sr=22_050, duration=2.0).astype(np.float32)
    ours = compute([waveform], parameters("log_mel"))
    mel = librosa.feature.melspectrogram(
        y=waveform, sr=22_050, n_fft=2048, hop_length=512, n_mels=128, pad_mode="constant"
    )
    theirs = librosa.power_to_db(mel, ref=np.max)
    n = min(ours.shape[1], theirs.shape[1])
    assert abs(ours.shape[1] - theirs.shape[1]) <= 1
    assert np.abs(ours[:, :n] - theirs[:, :n]).mean() < 0.1


def test_frames_of_chroma_have_unit_norm_or_are_silent():
    x = compute([tone(60), np.zeros(64_000, np.float32)], parameters("chroma"))
    norms = np.linalg.norm(x, axis=0)
    assert np.all((np.abs(norms - 1) < 1e-3) | (norms < 1e-3))


def test_silence_gives_a_finite_tensor():
    for name in features.NAMES:
        assert np.isfinite(compute([np.zeros(48_000, np.float32)], parameters(name))).all()


def test_rolling_chroma_twelve_times_changes_nothing():
    x = np.random.default_rng(0).random((36, 10)).astype(np.float32)
    np.testing.assert_array_equal(roll_key(x, 12), x)
    np.testing.assert_array_equal(roll_key(roll_key(x, 5), -5), x)


def test_fold_sums_octaves_within_each_register():
    semitones = np.zeros((84, 1), np.float32)
    semitones[[0, 12]] = 1  # C1 and C2: both bass
    folded = fold(semitones)
    assert folded[0, 0] == pytest.approx(1.0)
    assert folded[1:].sum() == 0


def test_unknown_representation_is_rejected():
    with pytest.raises(ValueError, match="representation must be one of"):
        parameters("mfcc")


def test_negative_duration_is_rejected():
    with pytest.raises(ValueError, match=r"duration_s must be positive \[s\], got -1"):
        parameters("chroma", duration_s=-1)


def test_quantized_tensor_is_restored_within_half_a_step():
    x = np.random.default_rng(0).normal(size=(12, 50)).astype(np.float32)
    data, scale, offset = quantize.quantize(x)
    assert np.abs(quantize.dequantize(data, x.shape, scale, offset) - x).max() <= scale / 2 + 1e-6


def test_bytes_of_another_shape_are_rejected():
    data, scale, offset = quantize.quantize(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(3, 3\), got 6 numbers"):
        quantize.dequantize(data, (3, 3), scale, offset)


def test_eight_bits_change_distances_by_less_than_a_thousandth():
    x = compute([tone(60) + tone(64)], parameters("chroma"))
    y = compute([tone(62) + tone(67)], parameters("chroma"))
    packed = [
        quantize.dequantize(quantize.quantize(t)[0], t.shape, *quantize.quantize(t)[1:])
        for t in (x, y)
    ]
    before, after = np.linalg.norm(x - y), np.linalg.norm(packed[0] - packed[1])
    assert abs(after - before) / before < 1e-3


def test_row_of_a_tensor_tells_where_it_starts_and_how_long_it_is():
    row = extract.pack_tensor(np.arange(36.0 * 20).reshape(36, 20), parameters("chroma", start_s=3))
    assert (row["segment"], row["start_s"], row["duration_s"]) == (0, 3.0, 5.0)
    assert row["shape"] == [36, 20]


def test_default_or_only_parameters_are_chosen_and_ambiguous_ones_rejected():
    ours = extract.parameters_id(parameters("chroma"))
    assert extract.choose_parameters({"other"}, "chroma") == "other"
    assert extract.choose_parameters({"other", ours}, "chroma") == ours
    for kinds in (set(), {"one", "other"}):
        with pytest.raises(InputError, match=rf"under {ours}, got .*run decode_audio"):
            extract.choose_parameters(kinds, "chroma")


def test_every_parameter_is_part_of_the_parameters_id():
    base = parameters("chroma")
    changes = {
        "start_s": 1.0,
        "duration_s": 9.0,
        "hop": 1,
        "levels": 2,
        "revision": 99,
    }
    ids = {extract.parameters_id(dataclasses.replace(base, **{k: v})) for k, v in changes.items()}
    assert len(ids | {extract.parameters_id(base)}) == len(changes) + 1


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [(".wav", 44_100, 2), (".flac", 8000, 1), (".ogg", 22_050, 2), (".mp3", 16_000, 1)],
)
def test_files_of_every_format_decode_to_the_same_tone(tmp_path, suffix, rate, channels):
    path = tmp_path / f"a{suffix}"
    sf.write(path, np.repeat(tone(69, sample_rate=rate)[:, None], channels, axis=1), rate)
    assert decode.probe(str(path)).channels == channels
    x = extract.compute_tensor(str(path), parameters("log_frequency"))
    assert int(x[:, 4:-4].mean(axis=1).argmax()) == 69 - 24


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not_audio"),
        (b"text, not music", "not_audio"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not_audio"),
    ],
)
def test_file_that_is_not_audio_is_rejected_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(sandbox.Rejected) as error:
        decode.probe(str(path))
    assert error.value.reason == reason


def _die():
    import os

    os.abort()


def _sleep():
    import time

    time.sleep(30)


def _allocate():
    return len(np.ones(1 << 30))


def test_crash_in_the_sandbox_is_a_rejection():
    with pytest.raises(sandbox.Rejected, match="the decoder ended with code -6"):
        sandbox.call(_die, limits=sandbox.Limits())


def test_sandbox_of_a_process_that_used_many_threads_does_not_wait_for_them(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, tone(60, seconds=60.0), 16_000)
    code = (
        "import sys, torch; torch.set_num_threads(4); torch.rand(2000, 2000) @ torch.rand(2000, 2000)\n"
        "from covers.audio import extract, sandbox; from covers.audio.features import parameters\n"
        "p, limits = parameters('chroma'), sandbox.Limits(wall_s=30)\n"
        "extract.compute_tensor(sys.argv[1], p)\n"
        "print(sandbox.call(extract.compute_tensor, sys.argv[1], p, limits=limits).shape)"
    )
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=90, env=env
    )
    assert done.stdout.strip() == "(36, 241)", done.stderr


def test_time_limit_of_the_sandbox_holds():
    with pytest.raises(sandbox.Rejected, match=r"longer than 0\.2 s"):
        sandbox.call(_sleep, limits=sandbox.Limits(wall_s=0.2))


def test_memory_limit_of_the_sandbox_holds():
    with pytest.raises(sandbox.Rejected, match="needs more than 512 MiB"):
        sandbox.call(_allocate, limits=sandbox.Limits(memory_bytes=512 << 20))


@pytest.mark.parametrize("shift", range(12))
def test_rolled_key_profile_is_in_the_rolled_key(shift):
    assert attributes.estimate_key(np.roll(attributes._MAJOR, shift)) == (shift, 1)
    assert attributes.estimate_key(np.roll(attributes._MINOR, shift)) == (shift, 0)


@pytest.mark.parametrize("bpm", [80, 120, 150])
def test_pulses_have_their_tempo(bpm):
    rate = 22_050 / 512
    onset = np.zeros(int(rate * 30))
    onset[(np.arange(0, 30, 60 / bpm) * rate).astype(int)] = 1
    tempo, pulse, confidence = attributes.estimate_tempo(onset, rate)
    assert tempo == pytest.approx(bpm, rel=0.04)
    assert pulse > 0.2
    assert 0.5 <= confidence <= 1


def test_tempo_confidence_is_lower_if_every_other_pulse_is_louder():
    rate = 22_050 / 512
    even = np.zeros(int(rate * 30))
    pulses = (np.arange(0, 30, 60 / 120) * rate).astype(int)
    even[pulses] = 1
    accented = even.copy()
    accented[pulses[1::2]] = 0.3
    (_, _, high), (_, _, low) = (attributes.estimate_tempo(x, rate) for x in (even, accented))
    assert low < high


def test_silence_has_no_tempo():
    assert attributes.estimate_tempo(np.zeros(1000), 43.0) == (0.0, 0.0, 0.0)
