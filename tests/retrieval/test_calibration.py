"""Probabilities of being covers mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from covers.retrieval import calibration
from covers.retrieval.calibration import Calibration, probability


def pairs(seed, n_works=60):
    """Distances of two recordings each of many works: covers around .7, others around 1.2."""
    rng = np.random.default_rng(seed)
    works = np.repeat(np.arange(n_works), 2)
    same = works[:, None] == works[None]
    d = np.triu(rng.normal(np.where(same, 0.7, 1.2), 0.15), 1)
    return d + d.T, works


def test_of_pairs_called_covers_with_a_probability_so_many_are():
    fitted = calibration.fit(*pairs(1))
    d, works = pairs(2)
    i, j = np.triu_indices(len(works), 1)
    same = works[i] == works[j]
    rng = np.random.default_rng(0)  # as many others as covers: what even odds mean
    chosen = same | (rng.random(len(same)) < same.sum() / (~same).sum())
    true, said = calibration_curve(
        same[chosen], probability(fitted.log_odds(d[i, j][chosen])), n_bins=4, strategy="quantile"
    )
    np.testing.assert_allclose(true, said, atol=0.15)


def test_normal_distances_of_one_spread_have_their_known_line():
    """Two normals of one spread s: log odds are linear, with slope (m1 - m2) / s^2."""
    fitted = calibration.fit(*pairs(3, 400))
    assert fitted.slope == pytest.approx((0.7 - 1.2) / 0.15**2, rel=0.15)
    assert probability(fitted.log_odds(np.array([0.95])))[0] == pytest.approx(0.5, abs=0.06)


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0.001, 0.999))
def test_nearer_is_never_less_probable_and_a_prior_is_what_nothing_heard_leaves(a, b, prior):
    fitted = Calibration(-10.0, 8.0, 1, 1)
    near, far = probability(fitted.log_odds(np.array(sorted([a, b]))), prior)
    assert near >= far
    assert probability(fitted.log_odds(np.array([0.8])), prior)[0] == pytest.approx(prior)


def test_more_candidates_ask_for_a_smaller_distance():
    fitted = Calibration(-10.0, 8.0, 1, 1)
    among = [
        probability(fitted.log_odds(np.array([0.6])), calibration.prior_among(n))[0]
        for n in (1, 10, 1000)
    ]
    assert among == sorted(among, reverse=True)


def test_one_work_alone_cannot_be_calibrated():
    with pytest.raises(ValueError, match="pairs of both kinds, got 1 covers of 1 pairs"):
        calibration.fit(np.zeros((2, 2)), np.array(["a", "a"]))


def test_reliability_on_the_fitted_works_lies_on_the_diagonal():
    d, works = pairs(1, 800)
    bins = calibration.reliability(calibration.fit(d, works).log_odds(d), works)
    assert sum(b["n"] for b in bins) == len(works) * (len(works) - 1) // 2
    assert len(bins) == 5
    assert sum(b["n_covers"] for b in bins) == 800
    for b in bins:
        assert b["found"] == pytest.approx(b["said"], abs=0.15)


def test_reliability_shows_a_line_that_is_too_sure():
    d, works = pairs(1, 200)
    boast = Calibration(slope=0.0, intercept=3.0, n_covers=1, n_others=1)  # 95% of every pair
    (only,) = calibration.reliability(boast.log_odds(d), works)
    assert only["said"] == pytest.approx(0.953, abs=0.001)
    assert only["found"] == pytest.approx(0.5)


def test_alignment_that_tells_something_of_its_own_makes_the_line_surer():
    d, works = pairs(1, 200)
    other, _ = pairs(2, 200)  # as telling as the distance, and independent of it
    alone, both = calibration.fit(d, works), calibration.fit(d, works, -other)
    assert alone.slope_of_alignment == 0
    assert both.slope < 0 < both.slope_of_alignment
    i, j = np.triu_indices(len(works), 1)
    same = works[i] == works[j]
    right = [
        (probability(odds[i, j]) >= 0.5)[same].mean()
        for odds in (alone.log_odds(d), both.log_odds(d, -other))
    ]
    assert right[1] > right[0] + 0.02


def test_a_card_has_a_line_for_each_kind_or_none():
    line = Calibration(-10.0, 8.0, 3, 5, 0.2)
    card = {"calibration": {"s_norm_alignment": line.to_dict()}}
    assert calibration.of_card(card, "s_norm_alignment") == line
    assert calibration.of_card(card, "s_norm") is None
    assert calibration.of_card({}, "s_norm") is None
    assert calibration.of_card({"calibration": None}, "s_norm") is None
