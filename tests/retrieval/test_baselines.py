"""Qmax, 2-D Fourier magnitude and raw features."""

import numpy as np
import pytest

from covers.audio.features import roll_key
from covers.retrieval.baselines import fourier2d, qmax, raw_features
from covers.retrieval.best_path import best_path


def chroma(seed, n=240):
    rng = np.random.default_rng(seed)
    steps = np.repeat(rng.random((36, n // 8)), 8, axis=1)
    return (steps / np.linalg.norm(steps, axis=0)).astype(np.float32)


def test_fourier_magnitude_is_the_same_in_any_key():
    x = chroma(1)
    np.testing.assert_allclose(fourier2d.vector(x), fourier2d.vector(roll_key(x, 5)), atol=1e-6)


def naive_qmax(plot):
    n, m = plot.shape
    q = np.zeros((n, m))
    for i in range(2, n):
        for j in range(2, m):
            before = [(i - 1, j - 1), (i - 2, j - 1), (i - 1, j - 2)]
            if plot[i, j]:
                q[i, j] = max(q[b] for b in before) + 1
            else:
                q[i, j] = max(0, *[q[b] - 0.5 for b in before])
    return q.max()


def test_compiled_qmax_equals_the_naive_loop():
    plot = np.random.default_rng(0).random((30, 40)) < 0.3
    assert best_path(np.where(plot, 1, -qmax.GAP))[0] == naive_qmax(plot)


def test_qmax_of_a_diagonal_is_its_length():
    assert best_path(np.where(np.eye(20), 1, -qmax.GAP)) == (18, 2, 2, 19, 19)


def test_qmax_finds_a_transposed_copy_nearer_than_another_song():
    a, b, c = (qmax.fold_frames(x) for x in (chroma(1), roll_key(chroma(1), 4), chroma(2)))
    assert qmax.pair_distance(a, b) < 0.5 * qmax.pair_distance(a, c)


def test_qmax_is_the_same_in_both_orders():
    a, b = (qmax.fold_frames(chroma(i, 200 + 40 * i)) for i in (1, 2))
    assert qmax.pair_distance(a, b) == pytest.approx(qmax.pair_distance(b, a), rel=1e-12)


@pytest.mark.parametrize("key", [0, 7])
def test_what_two_recordings_share_is_found_in_both_and_its_key(key):
    shared = chroma(5, 160)  # 40 s, from second 20 in one and from second 10 in the other
    a = np.concatenate([chroma(6, 80), shared], axis=1)
    b = np.concatenate([chroma(8, 40), roll_key(shared, key), chroma(9, 40)], axis=1)
    span_a, span_b, semitones = qmax.matching_spans(qmax.fold_frames(a), qmax.fold_frames(b))
    np.testing.assert_allclose([span_a, span_b], [(20, 60), (10, 50)], atol=7)
    assert (semitones + key) % 12 == 0


def test_the_optimal_transposition_undoes_the_roll():
    a = qmax.fold_frames(chroma(3))
    assert qmax.optimal_transposition(a, np.roll(a, 5, axis=1)) == 7


def test_a_recording_shorter_than_the_stack_has_a_distance():
    short, other = qmax.fold_frames(chroma(1, 8)), qmax.fold_frames(chroma(2))
    assert np.isfinite(qmax.pair_distance(short, other))


@pytest.mark.parametrize("baseline", [fourier2d, qmax, raw_features])
def test_distance_matrices_are_symmetric_with_a_zero_diagonal(baseline):
    found = baseline.distances([chroma(i, 200 + 8 * i) for i in range(4)])
    np.testing.assert_allclose(found, found.T)
    assert np.diag(found).tolist() == [0, 0, 0, 0]
