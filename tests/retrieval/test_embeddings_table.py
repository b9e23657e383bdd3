"""What Spark embeds is what is embedded here, by each model's own weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from covers.audio import quantize
from covers.audio.augmentation.tensor import stretch_time
from covers.models import factory, registry
from covers.retrieval import embeddings_table
from covers.retrieval.embedding import TrackEmbeddings, embed_track, extract_embeddings
from covers.retrieval.storage import unpack_sequences
from covers.schemas.spectrograms import SPECTROGRAMS
from tests.rows import spectrogram_row

pytestmark = pytest.mark.spark


def chroma(seed, n):
    return np.random.default_rng(seed).random((36, n)).astype(np.float32)


def model_of(folder, seed):
    """A model whose weights have the name that every training gives them."""
    folder.mkdir()
    torch.manual_seed(seed)
    save_file(factory.build("covernet").state_dict(), str(folder / "final.safetensors"))
    return registry.resolve(None, str(folder / "final.safetensors"))


def stored(row):
    return quantize.tensor_of_row(dict(zip(SPECTROGRAMS.column_names, row, strict=True)))


def test_two_models_of_one_session_embed_by_their_own_weights(spark, tmp_path):
    row = spectrogram_row("r", chroma(0, 60))
    frame = spark.createDataFrame([row], SPECTROGRAMS.struct_type())
    for seed in (1, 2):
        model = model_of(tmp_path / str(seed), seed)
        (found,) = embeddings_table.embed_rows(frame, model).collect()
        here = embed_track(model.module, stored(row), crop_frames=None)
        np.testing.assert_allclose(found["vector"], here, atol=1e-5)
        assert (found["model_id"], found["shape"]) == (model.model_id, [12, 64])


def test_spark_extracts_what_is_extracted_here(spark, tmp_path):
    rows = [spectrogram_row(name, chroma(i, 100 + 40 * i)) for i, name in enumerate("ab")]
    frame = spark.createDataFrame(rows, SPECTROGRAMS.struct_type())
    model = model_of(tmp_path / "w", 1)
    model = model.with_card(tempo_factors=(1.0, 0.8), segment_s=(10.0, 5.0), frame_s=(4.0, 2.0))
    extracted = {
        r["recording_id"]: TrackEmbeddings.from_bytes(bytes(r["embeddings"]))
        for r in embeddings_table.extract_all(frame, model).collect()
    }
    kept = {
        r["recording_id"]: unpack_sequences(r.asDict())
        for r in embeddings_table.sequence_rows(frame, model).collect()
    }
    assert sorted(extracted) == sorted(kept) == ["a", "b"]
    for row in rows:
        here = extract_embeddings(model, stored(row), 4.0)
        for found, atol in ((extracted[row[0]], 1e-5), (kept[row[0]], 2e-3)):
            np.testing.assert_allclose(found.track, here.track, atol=atol)
            np.testing.assert_allclose(found.segments[1], here.segments[1], atol=atol)
            np.testing.assert_allclose(found.frames, here.frames, atol=max(atol, 1e-3))
            assert found.semitones == here.semitones
        slower = embed_track(model.module, stretch_time(stored(row), 1.25), crop_frames=None)
        np.testing.assert_allclose(extracted[row[0]].track[1], slower, atol=1e-5)
