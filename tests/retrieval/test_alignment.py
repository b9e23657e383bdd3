"""Local alignment of what a network hears, window by window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.evaluation.metrics import per_query
from covers.evaluation.systems import EvaluationSet, all_distances
from covers.retrieval import alignment, scoring
from covers.retrieval.hearing import Heard

ROLLS, D = 12, 120


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def windows(seed, n):
    return unit(np.random.default_rng(seed).normal(size=(n, D)))


def heard(own, roll=0):
    """A recording of these windows, turned to another key: what its whole tells is their mean."""
    turned = np.roll(own.reshape(len(own), ROLLS, -1), roll, axis=1).reshape(own.shape)
    return Heard(unit(turned.mean(axis=0, keepdims=True)), (), turned)


def score(a, b):
    return alignment.align(a, b).score


def slow_score(a, b):
    """The recursion as it is written: every place, every predecessor."""
    s = a @ b.T
    n, m = s.shape
    gain, q = np.zeros((n, m)), np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            usual = max(np.quantile(s[i], 0.9), np.quantile(s[:, j], 0.9), 0.03)
            gain[i, j] = (s[i, j] - usual) / 0.03
            steps = [(i - 1, j - 1), (i - 2, j - 1), (i - 1, j - 2)]
            before = max([0.0, *(q[x, y] for x, y in steps if x >= 0 and y >= 0)])
            q[i, j] = max(before + gain[i, j], 0.0)
    return q.max() / np.sqrt(np.sqrt(n * m))


@settings(deadline=None)  # the first call compiles
@given(n=st.integers(1, 14), m=st.integers(1, 14), seed=st.integers(0, 99))
def test_score_equals_the_recursion_written_out(n, m, seed):
    a, b = windows(seed, n), windows(seed + 1000, m)
    b[: min(n, m) // 2] = a[: min(n, m) // 2]  # so that something is there to align
    assert score(a, b) == pytest.approx(slow_score(a, b), rel=1e-4, abs=1e-6)


def test_score_is_the_same_in_both_orders():
    a, b = windows(1, 30), windows(2, 40)
    b[5:20] = a[10:25]
    assert score(a, b) == pytest.approx(score(b, a), rel=1e-5)


def test_pair_no_more_alike_than_strangers_or_than_the_rest_gains_nothing():
    s = np.full((20, 20), 0.02)
    s[0, 0] = 0.03
    assert alignment.gains(s).max() <= 0
    everywhere = np.full((20, 20), 0.8)  # as two drones are
    assert alignment.gains(everywhere).max() == 0
    assert alignment.gains(s).dtype == np.float32


@pytest.mark.parametrize("speed", [1, 2])
def test_the_same_windows_in_order_score_more_than_shuffled_at_up_to_twice_the_speed(speed):
    a = windows(3, 40)
    shared = a[10:34:speed]
    b = np.concatenate([windows(4, 8), shared, windows(5, 8)])
    shuffled = b.copy()
    shuffled[8:-8] = np.random.default_rng(0).permutation(shared)
    in_order = score(a, b)
    assert in_order > 2 * score(a, shuffled)
    assert in_order > 4 * score(a, windows(6, len(b)))


@pytest.mark.parametrize("roll", [0, 1, 7])
def test_distances_align_in_the_key_in_which_wholes_are_nearest(roll):
    a = windows(1, 30)
    d = alignment.distances([heard(a), heard(windows(2, 25)), heard(a, roll)], ROLLS)
    np.testing.assert_array_equal(d, d.T)
    assert np.diag(d).tolist() == [0, 0, 0]
    assert d[0, 2] == pytest.approx(-score(a, a), rel=1e-3)
    assert d[0, 2] < 4 * min(d[0, 1], d[1, 2])


def test_a_network_that_hears_windows_finds_covers_by_their_order():
    """Works of the same windows in two orders: what a whole tells cannot tell them apart."""
    rng, told, works = np.random.default_rng(7), [], []
    bag = windows(8, 30)
    for work in range(4):
        order = rng.permutation(30)
        for _ in range(2):
            noisy = unit(bag[order] + 0.02 * rng.normal(size=(30, D)))
            told.append(Heard(heard(bag).wholes, (), noisy))
            works.append(work)
    chromas = [rng.random((36, 40)).astype(np.float32) for _ in works]
    data = EvaluationSet("s", list("abcdefgh"), [""] * 8, np.array(works), chromas)
    by_wholes, by_both = (
        all_distances(
            EvaluationSet(data.name, data.recording_ids, data.titles, data.works, chromas,
                          {"model": (list_of, ROLLS)}),
            baselines=False,
        )
        for list_of in ([Heard(x.wholes) for x in told], told)
    )  # fmt: skip
    np.testing.assert_array_equal(by_wholes["model_plain"], by_both["model_plain"])
    np.testing.assert_allclose(
        by_both["model"],
        (1 - alignment.WEIGHT) * scoring.s_normalized(by_both["model_plain"])
        + alignment.WEIGHT * scoring.s_normalized(alignment.distances(told, ROLLS)),
    )
    found = [per_query(d["model"], np.array(works))["map"].mean() for d in (by_wholes, by_both)]
    assert found[0] < 0.5
    assert found[1] == 1


def test_the_stretch_that_two_recordings_share_is_found_in_both_in_any_key():
    a, b = windows(1, 40), windows(2, 50)
    b[20:35] = a[4:19]
    for roll in (0, 5):
        found = alignment.of_pair(
            heard(a), Heard(heard(a, roll).wholes, (), heard(b, roll).windows), ROLLS
        )
        np.testing.assert_allclose([found.here, found.there], [(4, 18), (20, 34)], atol=2)


def test_two_recordings_with_nothing_in_common_are_aligned_nowhere():
    found = alignment.align(np.eye(5, 20, dtype=np.float32), np.eye(5, 20, 10, dtype=np.float32))
    assert found == alignment.Aligned(0.0, (0, 0), (0, 0))
