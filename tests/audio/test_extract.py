"""Decoding a file to its tensor without Spark."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from covers.audio import extract
from covers.audio.features import parameters
from covers.errors import InputError


@pytest.fixture
def tone(tmp_path):
    t = np.arange(3 * 16_000) / 16_000
    sf.write(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 440 * t), 16_000)
    return str(tmp_path / "tone.wav")


@pytest.mark.parametrize("representation", ["chroma", "log_frequency", "log_mel"])
def test_decoded_tensor_equals_that_of_this_process(tone, representation):
    tensor = extract.decode_tensor(tone, representation)
    expected = extract.compute_tensor(tone, parameters(representation))
    np.testing.assert_array_equal(tensor, expected)
    assert tensor.dtype == np.float32
    assert len(tensor) == parameters(representation).n_bins


def test_missing_file_is_rejected_by_its_path(tmp_path):
    with pytest.raises(InputError, match=r"got none there: '.*no\.mp3'"):
        extract.decode_tensor(str(tmp_path / "no.mp3"), "chroma")


def test_file_that_is_not_audio_is_rejected_with_the_reason(tmp_path):
    (tmp_path / "a.mp3").write_text("This is not an MP3 file.")
    with pytest.raises(InputError, match=r"must be WAV, FLAC, OGG or MP3.*not_audio"):
        extract.decode_tensor(str(tmp_path / "a.mp3"), "chroma")


def test_unknown_representation_is_rejected(tone):
    with pytest.raises(ValueError, match="representation must be one of"):
        extract.decode_tensor(tone, "mfcc")


def test_decoding_and_synthesis_import_no_spark():
    code = (
        "import sys; import covers.audio.extract, covers.audio.manifest, covers.audio.attributes, "
        "covers.audio.augmentation.waveform, covers.synthesis.version_files, covers.synthesis.demo, "
        "covers.synthesis.recombine; assert 'pyspark' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "lib"})
