"""Covernets that were trained apart become one network, whose head is whitened by training recordings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from covers.cli.job import DONE
from covers.errors import InputError
from covers.io.lake import Lake
from covers.io.model_store import newest
from covers.jobs import embed_recordings, join_networks
from covers.models import ensemble, networks, registry
from covers.retrieval import embed
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
    """A lake of made recordings, two covernets, and a network of another kind."""
    lake = Lake(spark, str(tmp_path / "lake"))
    pairs = [(w, v) for w in range(WORKS) for v in range(VERSIONS)]
    lake.upsert_rows([recording(*p) for p in pairs], RECORDINGS)
    lake.upsert_rows([spectrogram_row(f"w{w}-{v}", chroma(w, v)) for w, v in pairs], SPECTROGRAMS)
    for seed, name in enumerate(("covernet", "covernet", "cnn")):
        torch.manual_seed(seed)
        save_file(networks.build(name).state_dict(), tmp_path / f"{seed}.safetensors")
    (tmp_path / "2.json").write_text('{"architecture": "cnn", "seed": 2}')
    return tmp_path


def run(spark, made, job, *argv):
    where = str(made / "lake")
    assert job.JOB.execute(spark, job.parse_args(["--lake", where, *map(str, argv)])) == DONE
    return Lake(spark, where)


def test_joined_towers_are_the_parts_own_and_the_head_is_one_of_training_recordings(spark, made):
    files = (made / "0.safetensors", made / "1.safetensors")
    lake = run(spark, made, join_networks, "--models", *files)
    model = newest(lake, "covernet")
    assert model.metrics == {"backbones": 2, "recordings": (WORKS - 2) * VERSIONS}
    joined = embed.load("covernet", Path(model.path).read_bytes(), 0)
    for backbone, path in zip(joined.backbones, files, strict=True):
        (own,) = embed.load("covernet", path.read_bytes(), 0).backbones
        for name, weight in own.state_dict().items():
            torch.testing.assert_close(backbone.state_dict()[name], weight)
    lake = run(spark, made, embed_recordings)  # the joined one is the newest
    rows = lake.read(EMBEDDINGS).where(f"model_id = '{model.model_id}'").collect()
    assert len(rows) == WORKS * VERSIONS
    assert {tuple(r["shape"]) for r in rows} == {(12, 128)}
    np.testing.assert_allclose([np.linalg.norm(r["vector"]) for r in rows], 1, atol=1e-5)


def test_joining_again_finds_the_same_network(spark, made):
    argv = ("--models", made / "0.safetensors", made / "1.safetensors", "--recordings", 12)
    first = newest(run(spark, made, join_networks, *argv), "covernet")
    again = run(spark, made, join_networks, *argv)
    assert again.read(MODELS).count() == 1
    assert newest(again, "covernet").model_id == first.model_id


def test_a_joined_network_does_not_take_over_what_a_card_says_of_distances():
    shipped = registry.resolve(None, "shipped")
    assert {"frame_s", "calibration", "tempo_factors", "segment_s"} <= set(shipped.config)
    config = ensemble.config_of([shipped, registry.untrained()])
    assert not {"frame_s", "calibration", "tempo_factors", "segment_s", "sha256"} & set(config)
    assert (config["crop_s"], config["joined"][1]) == (60.0, "untrained-covernet")


def test_other_networks_than_covernets_are_refused_in_one_line(spark, made):
    args = join_networks.parse_args(
        ["--lake", str(made / "lake"), "--models", str(made / "2.safetensors")]
    )
    with pytest.raises(InputError, match=r"to join must be covernets, got 'file-.*of kind cnn"):
        join_networks.run(Lake(spark, str(made / "lake")), args)


def test_a_lake_without_training_recordings_is_refused_in_one_line(spark, made):
    lake = Lake(spark, str(made / "lake"))
    lake.upsert_rows([recording(WORKS - 1, v) for v in range(VERSIONS)], RECORDINGS)
    spark.sql(f"DELETE FROM delta.`{made}/lake/recordings` WHERE split = 'train'")
    args = join_networks.parse_args(
        ["--lake", str(made / "lake"), "--models", str(made / "0.safetensors")]
    )
    with pytest.raises(InputError, match="recordings of split train must have spectrograms"):
        join_networks.run(lake, args)
