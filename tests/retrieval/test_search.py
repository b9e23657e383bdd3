"""What an answer says of how sure it is."""

import numpy as np
import pytest

from lib.retrieval import nearest, search
from lib.retrieval.registry import Network
from lib.retrieval.search import Known


def known(n_works, *, split="validation", config=None, seed=0):
    """Two recordings each of many works, near to each other and far from the others."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(n_works, 128)), 2, axis=0)
    vectors = centres + rng.normal(scale=0.7, size=centres.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = np.array([f"r{i}" for i in range(len(vectors))])
    about = {r: (f"title {i // 2}", "", f"w{i // 2}", split) for i, r in enumerate(ids.tolist())}
    return Known(Network("m", None, {"network": "cnn"} | (config or {})), ids, vectors, about)


def test_probabilities_come_from_validation_works_of_the_lake():
    lake = known(20)
    assert lake.calibration.n_covers == 20
    near, far = lake.sure(np.array([0.3, 1.4]), 1)
    assert near["probability"] > 0.99
    assert far["probability"] < 0.01


@pytest.mark.parametrize("split", ["train", "test"])
def test_neither_training_nor_test_works_are_calibrated_on(split):
    lake = known(20, split=split)
    assert lake.calibration is None
    assert list(lake.sure(np.array([0.3]), 1)[0]) == ["random pairs nearer"]


def test_few_validation_works_are_too_few():
    assert known(4).calibration is None


def test_the_models_card_comes_before_the_lake():
    said = {"slope": -9.0, "intercept": 7.0, "n_covers": 3, "n_others": 5}
    assert known(20, config={"calibration": said}).calibration.to_dict() == said


def test_the_same_distance_is_less_sure_among_more_candidates():
    lake = known(20)
    p = [lake.sure(np.array([0.9]), n)[0]["probability"] for n in (1, 100)]
    assert p[0] > p[1]


def test_nearest_of_a_recordings_own_vector_is_itself():
    lake = known(20)
    d = nearest.distances_to(lake.vectors[[7]], lake.vectors, 1)
    assert int(np.argmin(d)) == 7


def test_no_cover_is_an_answer():
    best = {"title": "", "recording": "r1", "distance": 1.3, "probability": 0.001}
    assert search.verdict(best).startswith('no cover found; the nearest, "r1"')
    assert search.verdict(best | {"probability": 0.8}) == 'a cover of "r1" (80% sure)'
