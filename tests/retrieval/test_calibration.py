"""Of pairs that are covers with a probability, so many are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from covers.models.card import Calibration
from covers.retrieval import calibration
from covers.retrieval.calibration import probability


def distances(seed, n_works=60):
    """Distances of two recordings each of many works: covers around .7, non-covers around 1.2."""
    rng = np.random.default_rng(seed)
    works = np.repeat(np.arange(n_works), 2)
    same = works[:, None] == works[None]
    d = np.triu(rng.normal(np.where(same, 0.7, 1.2), 0.15), 1)
    return d + d.T, works


def test_the_share_of_covers_is_the_predicted_probability():
    fitted = calibration.fit_works(*distances(1))
    d, works = distances(2)
    i, j = np.triu_indices(len(works), 1)
    same = works[i] == works[j]
    rng = np.random.default_rng(0)  # as many non-covers as covers: even odds
    chosen = same | (rng.random(len(same)) < same.sum() / (~same).sum())
    true, predicted = calibration_curve(
        same[chosen], probability(fitted.log_odds(d[i, j][chosen])), n_bins=4, strategy="quantile"
    )
    np.testing.assert_allclose(true, predicted, atol=0.15)


def test_normal_distances_of_one_standard_deviation_have_their_known_line():
    """Two normals of one standard deviation s: log odds are linear, with slope (m1 - m2) / s^2."""
    fitted = calibration.fit_works(*distances(3, 400))
    assert fitted.slope == pytest.approx((0.7 - 1.2) / 0.15**2, rel=0.15)
    assert probability(fitted.log_odds(np.array([0.95])))[0] == pytest.approx(0.5, abs=0.06)


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0.001, 0.999))
def test_nearer_is_never_less_probable_and_even_odds_leave_the_prior(a, b, prior):
    fitted = Calibration(-10.0, 8.0, 1, 1)
    nearer, farther = probability(fitted.log_odds(np.array(sorted([a, b]))), prior)
    assert nearer >= farther
    assert probability(fitted.log_odds(np.array([0.8])), prior)[0] == pytest.approx(prior)


def test_among_more_candidates_a_distance_is_less_probable():
    fitted = Calibration(-10.0, 8.0, 1, 1)
    among = [
        probability(fitted.log_odds(np.array([0.6])), calibration.prior_among(n))[0]
        for n in (1, 10, 1000)
    ]
    assert among == sorted(among, reverse=True)


def test_one_work_alone_cannot_be_calibrated():
    with pytest.raises(ValueError, match="pairs of both kinds, got 1 covers of 1 pairs"):
        calibration.fit_works(np.zeros((2, 2)), np.array(["a", "a"]))


def upper(d, works):
    """Distances of every two recordings, and whether they are covers."""
    i, j = np.triu_indices(len(works), 1)
    return d[i, j], works[i] == works[j]


def test_reliability_on_the_fitted_works_lies_on_the_diagonal():
    d, works = distances(1, 800)
    of_pairs, is_cover = upper(d, works)
    fitted = calibration.fit_works(d, works)
    bins = calibration.reliability(fitted.log_odds(of_pairs), is_cover)
    assert sum(b["n"] for b in bins) == len(works) * (len(works) - 1) // 2
    assert len(bins) == 5
    assert sum(b["n_covers"] for b in bins) == 800
    for b in bins:
        assert b["observed"] == pytest.approx(b["predicted"], abs=0.15)


def test_reliability_shows_a_line_that_is_overconfident():
    of_pairs, is_cover = upper(*distances(1, 200))
    overconfident = Calibration(slope=0.0, intercept=3.0, n_covers=1, n_non_covers=1)  # always 95%
    (only,) = calibration.reliability(overconfident.log_odds(of_pairs), is_cover)
    assert only["predicted"] == pytest.approx(0.953, abs=0.001)
    assert only["observed"] == pytest.approx(0.5)


def test_an_alignment_independent_of_the_distance_raises_recall():
    d, is_cover = upper(*distances(1, 200))
    other, _ = upper(*distances(2, 200))  # as informative as the distance, and independent of it
    alone, both = calibration.fit(d, is_cover), calibration.fit(d, is_cover, -other)
    assert alone.alignment_slope == 0
    assert both.slope < 0 < both.alignment_slope
    recall = [
        (probability(odds) >= 0.5)[is_cover].mean()
        for odds in (alone.log_odds(d), both.log_odds(d, -other))
    ]
    assert recall[1] > recall[0] + 0.02


def test_a_line_of_works_is_that_of_their_pairs():
    d, works = distances(4)
    assert calibration.fit_works(d, works) == calibration.fit(*upper(d, works))
