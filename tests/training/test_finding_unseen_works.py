"""CoverNet, trained for a minute on symbolic versions, evaluated on works that it never saw."""

import numpy as np
import pytest
import torch

from covers.audio.features import fold
from covers.evaluation.metrics import per_query
from covers.models import factory
from covers.retrieval.embedding import embed_track
from covers.retrieval.scoring import track_distance_matrix
from covers.synthesis import symbolic_features
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.version_spec import sample_spec
from covers.training import checkpoints
from covers.training.checkpoints import CheckpointConfig
from covers.training.config import preset
from covers.training.dataset import TensorStore, Triplets
from covers.training.heartbeat import ProgressWriter
from covers.training.loop import TrainingData, train
from covers.training.process_group import SingleProcess

pytestmark = pytest.mark.slow
WORKS, UNSEEN, VERSIONS = 40, 30, 3


@pytest.fixture(scope="module")
def chromas():
    """Versions of 70 composed works, (36, T) each, work after work."""
    songs = [compose(number, 7) for number in range(WORKS + UNSEEN)]
    specs = [(s, sample_spec(s, v, max_phrases=4)) for s in songs for v in range(VERSIONS)]
    return [
        fold(symbolic_features.compute_log_frequency(arrange(song, spec), spec))
        for song, spec in specs
    ]


def store_of(tensors):
    """A store of these tensors, as `dataset.read_tensors` makes one of the lake's."""
    ends = np.cumsum([t.size for t in tensors])
    stored = np.concatenate(
        [np.round(np.clip(t, 0, 1) * 255).astype(np.uint8).ravel() for t in tensors]
    )
    return TensorStore(
        {str(i): i for i in range(len(tensors))}, stored, np.concatenate([[0], ends[:-1]]),
        np.array([t.shape for t in tensors]), np.full((len(tensors), 2), (1 / 255, 0), np.float32), 4.0,
    )  # fmt: skip


def triplets_of(store, works):
    """Every version with its next, and a version of the next work."""
    rows = [
        (w * VERSIONS + v, w * VERSIONS + (v + 1) % VERSIONS, (w + 1) % works * VERSIONS + v)
        for w in range(works) for v in range(VERSIONS)
    ]  # fmt: skip
    labels = np.array([(r[0] // VERSIONS, r[2] // VERSIONS) for r in rows])
    return Triplets(store, np.array(rows, np.int32), labels, np.full(len(rows), None, object))


def mean_average_precision(network, chromas):
    vectors = np.stack([embed_track(network.eval(), c, crop_frames=None) for c in chromas])
    works = np.repeat(np.arange(len(chromas) // VERSIONS), VERSIONS).astype(str)
    return float(np.mean(per_query(track_distance_matrix(vectors, vectors, 12), works)["map"]))


@pytest.fixture(scope="module")
def trained(chromas, tmp_path_factory):
    """A CoverNet after its training, and the folder of its checkpoints."""
    folder = tmp_path_factory.mktemp("training")
    store = store_of(chromas[: WORKS * VERSIONS])
    none = Triplets(store, np.empty((0, 3), np.int32), np.empty((0, 2), int), np.empty(0, object))
    data = TrainingData(triplets_of(store, WORKS), none)
    config = preset("covernet", epochs=30, crop_s=20.0)
    weights = train(
        config, data, SingleProcess(), CheckpointConfig(folder), ProgressWriter(folder, 0)
    )
    return factory.with_weights("covernet", weights), folder


def test_trained_network_finds_unseen_works_far_better_than_untrained(chromas, trained):
    unseen = chromas[WORKS * VERSIONS :]
    torch.manual_seed(preset("covernet").seed)
    before, after = (
        mean_average_precision(n, unseen) for n in (factory.build("covernet"), trained[0])
    )
    assert after > 1.4 * before


def test_whitened_head_finds_unseen_works_better_than_the_one_it_was_trained_with(chromas, trained):
    unseen = chromas[WORKS * VERSIONS :]
    last = checkpoints.load_newest(trained[1]).weights
    own = {k.removeprefix("network."): w for k, w in last.items() if k.startswith("network.")}
    before, after = (
        mean_average_precision(n, unseen)
        for n in (factory.with_weights("covernet", own), trained[0])
    )
    assert after > before + 0.02
