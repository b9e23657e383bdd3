import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torchmetrics.functional.retrieval import retrieval_reciprocal_rank

from covers.evaluation import metrics
from covers.evaluation.bootstrap import bootstrap, paired_difference

WORKS = np.array(["a", "a", "b", "b", "b", "c"])


def perfect():
    return (WORKS[:, None] != WORKS[None]).astype(float)


def test_perfect_distances_give_perfect_metrics():
    found = metrics.per_query(perfect(), WORKS)
    assert [found[m].mean() for m in metrics.PER_QUERY] == [1, 1, 1, 1, 1]
    assert metrics.pairs(perfect(), WORKS)["roc_auc"] == 1


def test_worst_distances_put_every_cover_last():
    found = metrics.per_query(-perfect(), WORKS)
    assert found["triplet_accuracy"].mean() == 0
    assert found["mr1"][0] == 5  # one partner behind the four others


def test_all_ties_count_one_half_in_triplets_and_come_last_in_ranks():
    found = metrics.per_query(np.zeros((6, 6)), WORKS)
    assert found["triplet_accuracy"].tolist() == [0.5] * 5
    assert found["p_at_1"].mean() == 0


def test_recording_without_partner_is_no_query_but_a_candidate():
    assert metrics.queries(WORKS).tolist() == [0, 1, 2, 3, 4]
    assert len(metrics.per_query(perfect(), WORKS)["map"]) == 5


def test_works_of_one_recording_each_are_refused():
    with pytest.raises(ValueError, match="works must have two recordings"):
        metrics.per_query(np.zeros((2, 2)), np.array(["a", "b"]))


def test_distances_of_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(6, 6\), got \(2, 2\)"):
        metrics.per_query(np.zeros((2, 2)), WORKS)


def test_distance_that_is_not_finite_is_refused():
    broken = perfect()
    broken[0, 1] = np.nan
    with pytest.raises(ValueError, match="distances must be finite"):
        metrics.per_query(broken, WORKS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_metrics_agree_with_sklearn_and_torchmetrics(seed):
    rng = np.random.default_rng(seed)
    works = rng.choice(list("abcd"), size=9)
    if not len(metrics.queries(works)):
        return
    d = rng.permutation(81).reshape(9, 9).astype(float)  # no ties
    found = metrics.per_query(d, works)
    for i, q in enumerate(metrics.queries(works)):
        others = np.arange(9) != q
        truth = works[others] == works[q]
        assert found["map"][i] == pytest.approx(average_precision_score(truth, -d[q, others]))
        reciprocal = retrieval_reciprocal_rank(
            torch.tensor(100 - d[q, others]), torch.tensor(truth)
        )
        assert 1 / found["mr1"][i] == pytest.approx(float(reciprocal))
        covers, non_covers = d[q, others][truth], d[q, others][~truth]
        if len(non_covers):
            naive = np.mean([(c < n) + 0.5 * (c == n) for c in covers for n in non_covers])
            assert found["triplet_accuracy"][i] == pytest.approx(naive)


def test_exact_chance_is_what_random_orders_give():
    rng = np.random.default_rng(0)
    drawn = [metrics.per_query(rng.random((6, 6)), WORKS) for _ in range(3000)]
    exact = metrics.chance(WORKS)
    for name in metrics.PER_QUERY:
        mean = np.mean([d[name] for d in drawn], axis=0)
        np.testing.assert_allclose(mean, exact[name], rtol=0.06)


def test_threshold_with_the_best_f1_separates_what_can_be_separated():
    d, is_cover = np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False])
    assert metrics.best_threshold(d, is_cover) == 0.2


def test_writeup_draws_of_perfect_distances_are_all_right():
    draws = metrics.writeup_draws(perfect(), WORKS, n_draws=20, seed=1)
    assert {name: values.mean() for name, values in draws.items()} == dict.fromkeys(draws, 1.0)


def test_interval_holds_its_mean_and_narrows_with_more_works():
    rng = np.random.default_rng(0)
    few = bootstrap(rng.random(10), np.arange(10), seed=1)
    many = bootstrap(rng.random(1000), np.arange(1000), seed=1)
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low


def test_interval_over_works_is_wider_than_over_versions_that_agree():
    values = np.repeat(np.random.default_rng(0).random(10), 10)
    over_works = bootstrap(values, np.repeat(np.arange(10), 10), seed=1)
    over_rows = bootstrap(values, np.arange(100), seed=1)
    assert over_works.high - over_works.low > 2 * (over_rows.high - over_rows.low)


def test_a_system_does_not_differ_from_itself():
    x = np.random.default_rng(0).random(8)
    found = paired_difference(x, x, np.arange(8), seed=1)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_values_and_works_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        bootstrap(np.zeros(2), np.zeros(3), seed=1)
