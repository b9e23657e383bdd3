"""Search among many embeddings: exact, and by an index that grows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.retrieval.test_known import known

from covers.models.similarity import distance, similarity_matrix
from covers.retrieval import index as nearest
from covers.retrieval.reference_set import index_of

N_ROLLS, D = 12, 48


def embeddings(n, seed=0, *, n_works=None, width=D // N_ROLLS):
    """Unit vectors around works, each turned to some key, as covernet's are."""
    rng = np.random.default_rng(seed)
    works = rng.normal(size=(n_works or n // 4, N_ROLLS, width))
    x = works[rng.integers(len(works), size=n)] + rng.normal(scale=0.4, size=(n, *works.shape[1:]))
    x = np.stack([np.roll(v, rng.integers(12), axis=0) for v in x]).reshape(n, -1)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def ids_of(n):
    return np.array([f"r{i}" for i in range(n)])


@pytest.mark.parametrize("n_transpositions", [1, 12])
def test_exact_distances_are_those_of_the_training(n_transpositions):
    x = embeddings(30)
    expected = distance(
        similarity_matrix(torch.from_numpy(x[:1]), torch.from_numpy(x), n_transpositions)
    )[0]
    found = nearest.distances_to(x[:1], x, n_transpositions)
    np.testing.assert_allclose(found[1:], expected.numpy()[1:], atol=1e-5)
    assert found[0] < 1e-3


def test_a_query_at_several_tempi_is_as_near_as_the_nearest_of_them():
    x = embeddings(40)
    at_once = nearest.distances_to(x[:3], x, N_ROLLS)
    apart = [nearest.distances_to(x[[i]], x, N_ROLLS) for i in range(3)]
    np.testing.assert_allclose(at_once, np.min(apart, axis=0), atol=1e-6)
    keys = nearest.keys_of(ids_of(len(x)), x)
    rows, d = nearest.learn(x, keys).nearest(x[:3], x, keys, N_ROLLS, 5)
    np.testing.assert_allclose(d, at_once[rows], atol=1e-6)
    assert set(rows[:3]) == {0, 1, 2}


def recall(index, x, keys, queries, k=10):
    """The share of the exact k nearest that the index finds too."""
    right = []
    for q in queries:
        exact = np.argsort(nearest.distances_to(q[None], x, N_ROLLS), kind="stable")[:k]
        rows, d = index.nearest(q[None], x, keys, N_ROLLS, k)
        assert np.all(np.diff(d) >= 0)
        right.append(len(set(exact) & set(rows)) / k)
    return np.mean(right)


def test_the_index_finds_what_exact_search_finds():
    x = embeddings(4000, n_works=200)
    keys = nearest.keys_of(ids_of(len(x)), x)
    index = nearest.learn(x, keys)
    assert recall(index, x, keys, x[:40]) >= 0.99


def test_the_index_finds_versions_among_embeddings_as_wide_as_the_shipped_networks():
    x = embeddings(2000, n_works=200, width=320)
    keys = nearest.keys_of(ids_of(len(x)), x)
    index = nearest.learn(x, keys)
    assert recall(index, x, keys, x[:10], k=5) >= 0.99


def test_the_index_grows_with_the_table_and_forgets_what_left_it(tmp_path):
    x, uri = embeddings(1000), str(tmp_path / "index" / "m.npz")
    keys = nearest.keys_of(ids_of(len(x)), x)
    assert len(nearest.kept(uri, x[:800], keys[:800]).keys) == 800
    grown = nearest.kept(uri, x[100:], keys[100:])  # 200 came, 100 left
    assert len(grown.keys) == len(nearest.load(uri).keys) == 1000
    rows, d = grown.nearest(x[[950]], x[100:], keys[100:], N_ROLLS, 3)
    assert rows[0] == 850
    assert d[0] < 1e-2
    rows, _ = grown.nearest(x[[50]], x[100:], keys[100:], N_ROLLS, 5)
    assert np.all(rows >= 0)


def test_codes_are_learnt_anew_when_the_table_has_outgrown_them(tmp_path):
    x, uri = embeddings(1000), str(tmp_path / "m.npz")
    keys = nearest.keys_of(ids_of(len(x)), x)
    nearest.kept(uri, x[:200], keys[:200])
    assert nearest.kept(uri, x, keys).n_learnt == 1000


def test_another_vector_of_one_recording_has_another_key():
    x, ids = embeddings(5), ids_of(5)
    changed = x.copy()
    changed[2, 7] += 1e-6
    same = nearest.keys_of(ids, x) == nearest.keys_of(ids, changed)
    assert same.tolist() == [True, True, False, True, True]


def test_a_large_lake_is_searched_by_its_index(monkeypatch, tmp_path):
    recordings, lake = known(400), SimpleNamespace(files=str(tmp_path))
    query, kept = recordings.vectors[[7]], tmp_path / "index" / "m.npz"
    exact, *_ = recordings.nearest(query, 3, index_of(recordings, lake))
    assert not kept.exists()
    monkeypatch.setattr(nearest, "EXACT_UP_TO", 100)
    by_index, *_ = recordings.nearest(query, 3, index_of(recordings, lake))
    assert kept.exists()
    assert exact[0] == by_index[0] == 7


def test_a_small_lake_needs_no_folder_for_an_index():
    assert index_of(known(4), lake=None) is None
