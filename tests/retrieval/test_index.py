"""Search among many embeddings: exact, and by an index that grows."""

import numpy as np
import pytest
import torch

from covers.models.similarity import distance, similarity_matrix
from covers.retrieval import index as nearest

N, D = 12, 48


def embeddings(n, seed=0, *, n_works=None, width=D // N):
    """Unit vectors around works, each in some key, as CoverNet's are."""
    rng = np.random.default_rng(seed)
    works = rng.normal(size=(n_works or n // 4, N, width))
    x = works[rng.integers(len(works), size=n)] + rng.normal(scale=0.4, size=(n, *works.shape[1:]))
    x = np.stack([np.roll(v, rng.integers(12), axis=0) for v in x]).reshape(n, -1)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def ids_of(n):
    return np.array([f"r{i}" for i in range(n)])


@pytest.mark.parametrize("n_transpositions", [1, 12])
def test_exact_distances_are_those_that_the_network_is_trained_by(n_transpositions):
    x = embeddings(30)
    expected = distance(
        similarity_matrix(torch.from_numpy(x[:1]), torch.from_numpy(x), n_transpositions)
    )[0]
    found = nearest.distances_to(x[:1], x, n_transpositions)
    np.testing.assert_allclose(found[1:], expected.numpy()[1:], atol=1e-5)
    assert found[0] < 1e-3


def test_a_query_at_several_tempi_is_as_near_as_the_nearest_of_them():
    x = embeddings(40)
    together = nearest.distances_to(x[:3], x, N)
    alone = [nearest.distances_to(x[[i]], x, N) for i in range(3)]
    np.testing.assert_allclose(together, np.min(alone, axis=0), atol=1e-6)
    keys = nearest.keys_of(ids_of(len(x)), x)
    rows, d = nearest.train(x, keys).nearest(x[:3], x, keys, N, 5)
    np.testing.assert_allclose(d, together[rows], atol=1e-6)
    assert set(rows[:3]) == {0, 1, 2}


def recall(index, x, keys, queries, k=10):
    """The share of the exact k nearest that the index finds too."""
    right = []
    for q in queries:
        exact = np.argsort(nearest.distances_to(q[None], x, N), kind="stable")[:k]
        rows, d = index.nearest(q[None], x, keys, N, k)
        assert np.all(np.diff(d) >= 0)
        right.append(len(set(exact) & set(rows)) / k)
    return np.mean(right)


def test_the_index_finds_what_exact_search_finds():
    x = embeddings(4000, n_works=200)
    keys = nearest.keys_of(ids_of(len(x)), x)
    index = nearest.train(x, keys)
    assert recall(index, x, keys, x[:40]) >= 0.99


def test_the_index_finds_versions_among_embeddings_as_wide_as_the_shipped_models():
    x = embeddings(2000, n_works=200, width=320)
    keys = nearest.keys_of(ids_of(len(x)), x)
    index = nearest.train(x, keys)
    assert recall(index, x, keys, x[:10], k=5) >= 0.99


def test_the_index_grows_with_the_table_and_ignores_what_left_it(tmp_path):
    x, uri = embeddings(1000), str(tmp_path / "index" / "m.npz")
    keys = nearest.keys_of(ids_of(len(x)), x)
    assert len(nearest.load_or_update(uri, x[:800], keys[:800]).keys) == 800
    grown = nearest.load_or_update(uri, x[100:], keys[100:])  # 200 came, 100 left
    assert len(grown.keys) == len(nearest.load(uri).keys) == 1000
    rows, d = grown.nearest(x[[950]], x[100:], keys[100:], N, 3)
    assert rows[0] == 850
    assert d[0] < 1e-2
    rows, _ = grown.nearest(x[[50]], x[100:], keys[100:], N, 5)
    assert np.all(rows >= 0)


def test_codes_are_trained_anew_when_the_table_has_outgrown_them(tmp_path):
    x, uri = embeddings(1000), str(tmp_path / "m.npz")
    keys = nearest.keys_of(ids_of(len(x)), x)
    nearest.load_or_update(uri, x[:200], keys[:200])
    assert nearest.load_or_update(uri, x, keys).n_trained_for == 1000


def test_another_vector_of_one_recording_has_another_key():
    x, ids = embeddings(5), ids_of(5)
    changed = x.copy()
    changed[2, 7] += 1e-6
    same = nearest.keys_of(ids, x) == nearest.keys_of(ids, changed)
    assert same.tolist() == [True, True, False, True, True]


def test_an_index_of_an_earlier_version_is_read(tmp_path):
    x, path = embeddings(400), tmp_path / "m.npz"
    keys = nearest.keys_of(ids_of(len(x)), x)
    nearest.load_or_update(str(path), x, keys)
    with np.load(path) as stored:
        arrays = {k: stored[k] for k in stored.files if k != "n_trained_for"}
        np.savez(path, **arrays, n_learnt=stored["n_trained_for"])
    found = nearest.load(str(path))
    assert found.n_trained_for == 400
    np.testing.assert_array_equal(found.keys, keys)
    rows, _ = found.nearest(x[[7]], x, keys, N, 3)
    assert rows[0] == 7


def test_there_is_no_index_where_there_is_no_file(tmp_path):
    assert nearest.load(str(tmp_path / "m.npz")) is None
