"""CoverNets trained apart become one ensemble, whose head is whitened by training recordings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from covers.cli.job import DONE
from covers.errors import InputError
from covers.io.lake import Lake
from covers.io.model_store import newest
from covers.jobs import build_ensemble, embed_recordings
from covers.models import ensemble, factory
from covers.models.model import load_module, load_pretrained, untrained
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.models import MODELS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from tests.rows import VERSIONS, WORKS, chroma, recording_row, spectrogram_row

pytestmark = pytest.mark.spark


def recording(work, version):
    split = "train" if work < WORKS - 2 else "test"
    return recording_row(f"w{work}-{version}", f"w{work}", split)


@pytest.fixture
def made(spark, tmp_path):
    """A lake of made recordings, two covernets, and a network of another architecture."""
    lake = Lake(spark, str(tmp_path / "lake"))
    pairs = [(w, v) for w in range(WORKS) for v in range(VERSIONS)]
    lake.upsert_rows([recording(*p) for p in pairs], RECORDINGS)
    lake.upsert_rows([spectrogram_row(f"w{w}-{v}", chroma(w, v)) for w, v in pairs], SPECTROGRAMS)
    for seed, name in enumerate(("covernet", "covernet", "cnn")):
        torch.manual_seed(seed)
        save_file(factory.build(name).state_dict(), tmp_path / f"{seed}.safetensors")
    (tmp_path / "2.json").write_text('{"architecture": "cnn", "seed": 2}')
    return tmp_path


def run(spark, made, job, *argv):
    where = str(made / "lake")
    assert job.JOB.execute(spark, job.parse_args(["--lake", where, *map(str, argv)])) == DONE
    return Lake(spark, where)


def test_backbones_of_an_ensemble_are_its_members_and_training_recordings_whiten_its_head(
    spark, made
):
    files = (made / "0.safetensors", made / "1.safetensors")
    lake = run(spark, made, build_ensemble, "--models", *files)
    model = newest(lake, "covernet")
    assert model.metrics == {"backbones": 2, "recordings": (WORKS - 2) * VERSIONS}
    ensemble_ = load_module("covernet", Path(model.path).read_bytes(), 0)
    for backbone, path in zip(ensemble_.backbones, files, strict=True):
        (own,) = load_module("covernet", path.read_bytes(), 0).backbones
        for name, weight in own.state_dict().items():
            torch.testing.assert_close(backbone.state_dict()[name], weight)
    lake = run(spark, made, embed_recordings)  # the ensemble is the newest
    rows = lake.read(EMBEDDINGS).where(f"model_id = '{model.model_id}'").collect()
    assert len(rows) == WORKS * VERSIONS
    assert {tuple(r["shape"]) for r in rows} == {(12, 128)}
    np.testing.assert_allclose([np.linalg.norm(r["vector"]) for r in rows], 1, atol=1e-5)


def test_an_ensemble_built_twice_is_registered_once(spark, made):
    argv = ("--models", made / "0.safetensors", made / "1.safetensors", "--recordings", 12)
    first = newest(run(spark, made, build_ensemble, *argv), "covernet")
    again = run(spark, made, build_ensemble, *argv)
    assert again.read(MODELS).count() == 1
    assert newest(again, "covernet").model_id == first.model_id


def test_an_ensemble_takes_over_neither_windows_nor_calibration_of_its_members():
    shipped = load_pretrained()
    of_distances = {"frame_s", "calibration", "tempo_factors", "segment_s"}
    assert of_distances <= set(shipped.card.to_dict())
    config = ensemble.ensemble_config([shipped, untrained()])
    assert not (of_distances | {"sha256"}) & set(config)
    assert config["crop_s"] == shipped.card.crop_s
    assert config["ensemble_of"] == [shipped.model_id, "untrained-covernet"]


def test_other_networks_than_covernets_are_refused_in_one_line(spark, made):
    args = build_ensemble.parse_args(
        ["--lake", str(made / "lake"), "--models", str(made / "2.safetensors")]
    )
    with pytest.raises(
        InputError, match=r"of an ensemble must be covernets, got 'file-.*of architecture cnn"
    ):
        build_ensemble.run(Lake(spark, str(made / "lake")), args)


def test_a_lake_without_training_recordings_is_refused_in_one_line(spark, made):
    lake = Lake(spark, str(made / "lake"))
    lake.upsert_rows([recording(WORKS - 1, v) for v in range(VERSIONS)], RECORDINGS)
    spark.sql(f"DELETE FROM delta.`{made}/lake/recordings` WHERE split = 'train'")
    args = build_ensemble.parse_args(
        ["--lake", str(made / "lake"), "--models", str(made / "0.safetensors")]
    )
    with pytest.raises(InputError, match="recordings of split train must have spectrograms"):
        build_ensemble.run(lake, args)
