"""What a lake knows of its recordings: the nearest, how far, how sure."""

import numpy as np
import pytest

from covers.models.registry import Network
from covers.retrieval import index
from covers.retrieval.reference_set import Known


def known(n_works, *, split="validation", config=None, seed=0, noise=0.7):
    """Two recordings each of many works, near to each other and far from the others."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(n_works, 128)), 2, axis=0)
    vectors = centres + rng.normal(scale=noise, size=centres.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = np.array([f"r{i}" for i in range(len(vectors))])
    about = {r: (f"title {i // 2}", "", f"w{i // 2}", split) for i, r in enumerate(ids.tolist())}
    return Known(Network("m", None, {"architecture": "cnn"} | (config or {})), ids, vectors, about)


NONE = np.full(2, np.nan)  # scores of alignment
SMALL, LARGE = 10, 20  # works: of too few recordings to tell what is usual, and of enough


@pytest.mark.parametrize(("n_works", "near", "far"), [(SMALL, 0.3, 1.4), (LARGE, -4, 0)])
def test_probabilities_come_from_validation_works_of_the_lake(n_works, near, far):
    lake = known(n_works)
    assert lake.calibration.n_covers == n_works
    near, far = lake.sure(np.array([near, far]), NONE, 1)
    assert near["probability"] > 0.99
    assert far["probability"] < 0.01


@pytest.mark.parametrize("split", ["train", "test"])
def test_neither_training_nor_test_works_are_calibrated_on(split):
    lake = known(LARGE, split=split)
    assert lake.calibration is None
    assert list(lake.sure(np.array([-3.0]), NONE[:1], 1)[0]) == ["random pairs nearer"]


def test_few_validation_works_are_too_few():
    assert known(4).calibration is None


SAID = {"slope": -9.0, "intercept": 7.0, "n_covers": 3, "n_others": 5, "slope_of_alignment": 0.0}


@pytest.mark.parametrize(("n_works", "kind"), [(SMALL, "distance"), (LARGE, "s_norm")])
def test_the_models_card_comes_before_the_lake(n_works, kind):
    other = "s_norm" if kind == "distance" else "distance"
    for said, taken in ((kind, True), (other, False), (f"{kind}_alignment", False)):
        lake = known(n_works, config={"calibration": {said: SAID}})
        assert (lake.calibration.to_dict() == SAID) == taken


def test_what_was_aligned_is_as_sure_as_that_line_says_and_the_rest_by_the_other():
    aligned = SAID | {"slope_of_alignment": 2.0, "intercept": 1.0}
    lake = known(LARGE, config={"calibration": {"s_norm": SAID, "s_norm_alignment": aligned}})
    odds = lake.log_odds(np.array([1.0, 1.0, 1.0]), np.array([np.nan, 0.0, 3.0]))
    assert odds.tolist() == [-2, -8, -2]
    lake = known(LARGE, config={"calibration": {"s_norm": SAID}})
    assert lake.log_odds(np.ones(2), np.array([np.nan, 3.0])).tolist() == [-2, -2]


def test_without_a_lake_only_the_card_says_how_sure():
    nothing = lambda card: Known(  # noqa: E731
        Network("m", None, {"architecture": "cnn"} | card), np.array([]), np.empty((0, 1)), {}
    )
    assert nothing({}).sure(np.ones(1), NONE[:1], 1) == [{}]
    (said,) = nothing({"calibration": {"distance": SAID}}).sure(np.ones(1), NONE[:1], 1)
    assert said["probability"] == pytest.approx(1 / (1 + np.exp(2)), abs=1e-4)


@pytest.mark.parametrize(("n_works", "apart"), [(SMALL, 0.9), (LARGE, -2.0)])
def test_the_same_recording_is_less_sure_among_more_candidates(n_works, apart):
    lake = known(n_works)
    p = [lake.sure(np.array([apart]), NONE[:1], n)[0]["probability"] for n in (1, 100)]
    assert p[0] > p[1]


def test_in_a_small_lake_the_nearest_come_first():
    lake = known(SMALL)
    rows, d, apart = lake.nearest(lake.vectors[[7]], 5, None)
    assert rows[:2].tolist() == [7, 6]
    np.testing.assert_array_equal(d, apart)
    np.testing.assert_array_equal(d, np.sort(d))


def with_a_hub():
    """A lake of pairs that all have something in common, and one recording that is nothing else."""
    lake = known(LARGE, noise=1.5)
    common = np.eye(1, 128, dtype=np.float32)
    vectors = np.concatenate([lake.vectors + common, common])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.append(lake.ids, "hub")
    return Known(lake.network, ids, vectors, lake.about | {"hub": ("", "", "", "")})


def slow_deviation(lake, query, row):
    """As one would write it down: both against the cohort, copies left out."""
    d = np.linalg.norm(query - lake.vectors[row])
    scores = []
    for own in (query, lake.vectors[row]):
        usual = [np.linalg.norm(own - lake.vectors[i]) for i in lake.sample]
        usual = [x for x in usual if x >= 0.4 * np.median(usual)]
        scores.append((d - np.mean(usual)) / np.std(usual))
    return np.mean(scores)


def test_deviations_of_a_search_are_as_in_loops():
    lake = with_a_hub()
    query = lake.vectors[4] + np.random.default_rng(0).normal(scale=0.03, size=128)
    query = (query / np.linalg.norm(query)).astype(np.float32)
    rows, d, apart = lake.nearest(query[None], 6, None)
    for row, distance, deviation in zip(rows, d, apart, strict=True):
        assert distance == pytest.approx(np.linalg.norm(query - lake.vectors[row]), abs=1e-3)
        assert deviation == pytest.approx(slow_deviation(lake, query, row), abs=0.02)
    assert (np.diff(apart) >= 0).all()


def test_a_recording_that_is_near_to_everything_is_nobodys_cover():
    lake = with_a_hub()
    hub, ahead = len(lake.ids) - 1, {"distance": 0, "s_norm": 0}
    for row in range(0, hub, 2):
        to_all = index.distances_to(lake.vectors[[row]], lake.vectors, 1)
        order = lake.nearest(lake.vectors[[row]], len(lake.ids), None)[0].tolist()
        ahead["distance"] += to_all[hub] < to_all[row + 1]
        ahead["s_norm"] += order.index(hub) < order.index(row + 1)
    assert ahead["distance"] > LARGE / 2
    assert ahead["s_norm"] < ahead["distance"] / 4


def test_two_files_are_compared_with_what_is_usual_in_the_lake():
    lake = known(LARGE)
    a, b = lake.vectors[[6]], lake.vectors[[7]]
    d = np.linalg.norm(a - b)
    slow = (slow_deviation(lake, a[0], 7) + slow_deviation(lake, b[0], 6)) / 2
    assert lake.pair(a, b, np.array([d, d])) == pytest.approx(slow, abs=0.02)
    small = known(SMALL)
    assert small.pair(a, b, np.array([0.4, 0.6])) == pytest.approx(0.5)


def test_nearest_of_a_recordings_own_vector_is_itself():
    lake = known(20)
    d = index.distances_to(lake.vectors[[7]], lake.vectors, 1)
    assert int(np.argmin(d)) == 7


def test_a_lake_of_copies_alone_has_distances_too():
    lake = known(LARGE)
    one = Known(
        lake.network, lake.ids, np.repeat(lake.vectors[:1], len(lake.ids), axis=0), lake.about
    )
    assert np.isfinite(one.nearest(one.vectors[:1], 3, None)[2]).all()


def test_in_a_lake_where_all_are_near_to_one_another_they_are_no_copies():
    """A network that crowds its embeddings: .45 apart at most, and a copy beside one of them."""
    lake = known(LARGE)
    crowded = np.eye(1, 128, dtype=np.float32) * 3 + lake.vectors
    crowded = np.concatenate([crowded, crowded[:1] + 1e-3])
    crowded /= np.linalg.norm(crowded, axis=1, keepdims=True)
    ids = np.append(lake.ids, "copy")
    lake = Known(lake.network, ids, crowded, lake.about | {"copy": ("", "", "", "")})
    rows, d, apart = lake.nearest(crowded[:1], len(ids), None)
    assert d.max() < 0.5
    assert set(rows[:3].tolist()) == {0, 1, 40}
    strangers = apart[3:]
    assert abs(strangers.mean()) < 0.5
    assert np.abs(strangers).max() < 4
