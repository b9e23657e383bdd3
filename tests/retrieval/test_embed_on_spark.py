from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from covers.audio import quantize
from covers.models import networks
from covers.retrieval import embed
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.training.config import PRESETS
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
    stored = quantize.tensor_of_row(dict(zip(SPECTROGRAMS.column_names, row, strict=True)))
    config = PRESETS["covernet"].to_dict()
    for seed in (1, 2):
        stored_weights = Path(weights(tmp_path / str(seed), seed)).read_bytes()
        found = embed.embed_rows(frame, f"m{seed}", config, stored_weights).collect()[0]["vector"]
        here = embed.embed(embed.load("covernet", stored_weights, 0), stored, crop_frames=None)
        np.testing.assert_allclose(found, here, atol=1e-5)
