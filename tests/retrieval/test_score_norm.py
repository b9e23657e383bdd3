"""S-norm and cohort statistics, beside loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from covers.retrieval.score_norm import CohortStats, cohort_stats, mask_copies, s_norm


def test_statistics_leave_out_what_is_nan():
    found = cohort_stats(np.array([[1.0, np.nan, 3.0], [2.0, 2.0, 2.0]]))
    assert found.mean.tolist() == [2, 2]
    assert found.std.tolist() == [1, 1e-9]


def test_copies_are_nearer_than_four_tenths_of_the_median():
    d = np.array([[0.0, 0.39, 0.41, 1.0, 1.0, 1.2, 1.3]])
    assert np.isnan(mask_copies(d)).tolist() == [[True, True, False, False, False, False, False]]


@given(arrays.arrays(float, (3, 7), elements=st.floats(0.01, 2)))
def test_masked_copies_are_those_of_a_loop(d):
    found = mask_copies(d)
    for i, j in np.ndindex(d.shape):
        is_copy = d[i, j] < 0.4 * sorted(d[i])[3]
        assert np.isnan(found[i, j]) == is_copy
        assert is_copy or found[i, j] == d[i, j]


def test_s_norm_is_the_mean_of_both_sides_scores_in_loops():
    rng = np.random.default_rng(0)
    d = rng.random((3, 4))
    queries = CohortStats(rng.random(3), rng.random(3) + 0.1)
    candidates = CohortStats(rng.random(4), rng.random(4) + 0.1)
    found = s_norm(d, queries, candidates)
    for i, j in np.ndindex(d.shape):
        sides = [(queries, i), (candidates, j)]
        naive = np.mean([(d[i, j] - s.mean[n]) / s.std[n] for s, n in sides])
        assert found[i, j] == pytest.approx(naive)


def test_a_cohort_of_copies_alone_has_finite_scores():
    stats = cohort_stats(np.zeros((2, 5)))
    assert np.isfinite(s_norm(np.zeros((2, 2)), stats, stats)).all()
