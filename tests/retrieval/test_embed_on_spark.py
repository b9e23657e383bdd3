from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lib.audio import tensors
from lib.audio.augment import stretch_time
from lib.retrieval import embed
from lib.training import networks
from lib.training.config import PRESETS
from schemas.spectrograms import SPECTROGRAMS
from tests.rows import spectrogram_row

pytestmark = pytest.mark.spark


def weights(folder, seed):
    """Weights of a network, under the name that every training gives them."""
    folder.mkdir()
    torch.manual_seed(seed)
    save_file(networks.build("covernet").state_dict(), str(folder / "final.safetensors"))
    return str(folder / "final.safetensors")


def test_two_models_of_one_session_embed_by_their_own_weights(spark, tmp_path):
    tensor = np.random.default_rng(0).random((36, 60)).astype(np.float32)
    row = spectrogram_row("r", tensor)
    frame = spark.createDataFrame([row], SPECTROGRAMS.struct_type())
    stored = tensors.of_row(dict(zip(SPECTROGRAMS.column_names, row, strict=True)))
    config = PRESETS["covernet"].to_dict()
    for seed in (1, 2):
        stored_weights = Path(weights(tmp_path / str(seed), seed)).read_bytes()
        found = embed.embed_rows(frame, f"m{seed}", config, stored_weights).collect()[0]["vector"]
        here = embed.embed(embed.load("covernet", stored_weights, 0), stored, crop_frames=None)
        np.testing.assert_allclose(found, here, atol=1e-5)


def test_a_query_is_embedded_at_a_tempo_and_then_stretch_by_stretch(spark, tmp_path):
    tensor = np.random.default_rng(0).random((36, 100)).astype(np.float32)
    row = spectrogram_row("r", tensor)
    frame = spark.createDataFrame([row], SPECTROGRAMS.struct_type())
    stored = tensors.of_row(dict(zip(SPECTROGRAMS.column_names, row, strict=True)))
    stored_weights = Path(weights(tmp_path / "w", 1)).read_bytes()
    windows_s = (10.0, 5.0)  # 40 frames each 20
    found = embed.embed_rows(
        frame, "m", PRESETS["covernet"].to_dict(), stored_weights, 0.8, windows_s
    ).collect()[0]
    net = embed.load("covernet", stored_weights, 0)
    slower = stretch_time(stored, 1.25)
    whole, windows = (
        embed.embed(net, slower, crop_frames=None),
        embed.in_windows(net, slower, 40, 20),
    )
    assert len(windows) == 6  # from 0, 20, 40, 60, 80 and 85 of 125
    np.testing.assert_allclose(found["vector"], np.append(whole, windows), atol=1e-5)
