import numpy as np
import pytest
import torch

from covers.audio.augmentation.tensor import stretch_time
from covers.audio.features import roll_key
from covers.models import networks
from covers.models.registry import untrained
from covers.retrieval import embed, scoring
from covers.retrieval.baselines import fourier2d, qmax
from covers.retrieval.paths import longest_path


def chroma(seed, n=240):
    rng = np.random.default_rng(seed)
    steps = np.repeat(rng.random((36, n // 8)), 8, axis=1)
    return (steps / np.linalg.norm(steps, axis=0)).astype(np.float32)


def test_fourier_magnitude_forgets_the_key():
    x = chroma(1)
    np.testing.assert_allclose(fourier2d.vector(x), fourier2d.vector(roll_key(x, 5)), atol=1e-6)


def slow_qmax(plot):
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
    assert longest_path(np.where(plot, 1, -qmax.GAP))[0] == slow_qmax(plot)


def test_qmax_of_a_diagonal_is_its_length():
    assert longest_path(np.where(np.eye(20), 1, -qmax.GAP)) == (18, 2, 2, 19, 19)


def test_qmax_finds_a_transposed_copy_nearer_than_another_song():
    a, b, c = (qmax.features(x) for x in (chroma(1), roll_key(chroma(1), 4), chroma(2)))
    assert qmax.pair_distance(a, b) < 0.5 * qmax.pair_distance(a, c)


def test_qmax_is_the_same_in_both_orders():
    a, b = (qmax.features(chroma(i, 200 + 40 * i)) for i in (1, 2))
    assert qmax.pair_distance(a, b) == pytest.approx(qmax.pair_distance(b, a), rel=1e-12)


@pytest.mark.parametrize("key", [0, 7])
def test_stretch_that_two_recordings_share_is_found_in_both_and_its_key(key):
    shared = chroma(5, 160)  # 40 s, from second 20 in one and from second 10 in the other
    a = np.concatenate([chroma(6, 80), shared], axis=1)
    b = np.concatenate([chroma(8, 40), roll_key(shared, key), chroma(9, 40)], axis=1)
    in_a, in_b, semitones = qmax.aligned(qmax.features(a), qmax.features(b))
    np.testing.assert_allclose([in_a, in_b], [(20, 60), (10, 50)], atol=7)
    assert (semitones + key) % 12 == 0


def test_match_is_said_in_minutes_and_seconds_or_not_at_all():
    own = chroma(5, 320)
    assert qmax.match(own, None) == {"match here": "", "match there": ""}
    found = qmax.match(own, own)
    assert found["match here"] == found["match there"]
    assert found["match here"].endswith(" to 1:20")


def test_best_transposition_undoes_the_roll():
    a = qmax.features(chroma(3))
    assert qmax.best_transposition(a, np.roll(a, 5, axis=1)) == 7


def test_recording_shorter_than_the_stack_has_a_distance():
    short, other = qmax.features(chroma(1, 8)), qmax.features(chroma(2))
    assert np.isfinite(qmax.pair_distance(short, other))


@pytest.mark.parametrize("name", ["fourier2d", "qmax", "tensors"])
def test_distance_matrices_are_symmetric_with_a_zero_diagonal(name):
    found = {
        "fourier2d": fourier2d.distances,
        "qmax": qmax.distances,
        "tensors": scoring.of_tensors,
    }[name]([chroma(i, 200 + 8 * i) for i in range(4)])
    np.testing.assert_allclose(found, found.T)
    assert np.diag(found).tolist() == [0, 0, 0, 0]


def test_standardized_distances_are_the_mean_of_both_recordings_scores():
    d = scoring.symmetric(np.random.default_rng(0).random((6, 6)))
    found = scoring.s_normalized(d)
    for i, j in ((0, 1), (2, 5)):
        of_i, of_j = (np.delete(d[k], k) for k in (i, j))
        scores = [(d[i, j] - x.mean()) / x.std() for x in (of_i, of_j)]
        assert found[i, j] == pytest.approx(np.mean(scores))


def test_deviations_of_a_set_as_searched_are_as_in_loops():
    """Queries at two tempo_factors, candidates at their own; what is usual for each without itself."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(6, 2, 24))
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    found = scoring.as_searched(x, 1)
    asked = np.array([[min(np.linalg.norm(q - b[0]) for q in a) for b in x] for a in x])
    own = np.array([[np.linalg.norm(a[0] - b[0]) for b in x] for a in x])
    for i in range(6):
        for j in range(i):
            both = []
            for a, b in ((i, j), (j, i)):
                of_a, of_b = np.delete(asked[a], a), np.delete(own[b], b)
                both += [(asked[a, b] - of.mean()) / of.std() for of in (of_a, of_b)]
            assert found[i, j] == pytest.approx(np.mean(both), abs=1e-3)


def test_fusing_a_system_with_itself_in_another_unit_is_the_system():
    d = scoring.symmetric(np.random.default_rng(1).random((6, 6)))
    np.testing.assert_allclose(scoring.fuse(d, 40 * d), scoring.s_normalized(d), atol=1e-12)


def test_fusion_is_right_where_each_system_is_right_once():
    """Recordings 0 and 1, 2 and 3 are covers; each system takes one of them for another song."""
    near = np.full((4, 4), 1.0)
    one, other = near.copy(), near.copy()
    for d, (right, wrong) in ((one, ((0, 1), (2, 1))), (other, ((2, 3), (0, 3)))):
        d[right], d[wrong] = 0.1, 0.8
    fuse = scoring.fuse(*(np.minimum(d, d.T) for d in (one, other)))
    assert fuse[0].argsort()[0] == 1
    assert fuse[2].argsort()[0] == 3


def test_embedding_of_a_recording_rolled_by_any_key_is_the_same():
    net = networks.build("covernet").eval()
    x = chroma(4)
    own = embed.embed(net, x, crop_frames=None)
    for shift in range(12):
        np.testing.assert_allclose(
            embed.embed(net, roll_key(x, shift), crop_frames=None), own, atol=1e-5
        )


def test_untrained_network_is_the_same_for_the_same_seed():
    config = untrained().config
    a, b = (embed.load.__wrapped__(config["architecture"], None, 0) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_embedding_has_unit_norm_even_of_half_a_second():
    net = networks.build("covernet").eval()
    assert np.linalg.norm(embed.embed(net, chroma(1, 8)[:, :2], crop_frames=None)) == pytest.approx(
        1, abs=1e-5
    )


def test_recordings_heard_at_several_tempi_are_as_near_as_in_loops():
    """Each of a pair asks once at all its tempo_factors, and the other answers at its own."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3, 24))
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    found = scoring.of_embeddings(x, 1)
    for i in range(5):
        for j in range(i):
            asked = [min(np.linalg.norm(q - x[b, 0]) for q in x[a]) for a, b in ((i, j), (j, i))]
            assert found[i, j] == pytest.approx(np.mean(asked), abs=1e-5)
    np.testing.assert_allclose(
        scoring.of_embeddings(x[:, :1], 1), scoring.of_embeddings(x[:, 0], 1), atol=1e-6
    )


def test_a_recording_played_faster_is_nearer_once_it_is_heard_at_other_tempi():
    net = networks.build("covernet").eval()
    torch.manual_seed(0)
    x = [
        np.random.default_rng(w).random((36, 20)).repeat(6, axis=1).astype(np.float32)
        for w in range(6)
    ]
    faster = [stretch_time(c, 0.8) for c in x]
    near = [
        scoring.of_embeddings(
            np.stack(
                [embed.at_tempi(net, c, tempo_factors, crop_frames=None) for c in (*x, *faster)]
            ),
            12,
        )
        for tempo_factors in ((1.0,), (1.0, 0.8, 1.25))
    ]
    own, several = ([d[i, 6 + i] for i in range(6)] for d in near)
    assert np.mean(several) < 0.8 * np.mean(own)
