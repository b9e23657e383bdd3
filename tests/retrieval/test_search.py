"""What a search answers."""

import numpy as np

from covers.audio.augmentation.tensor import stretch_time
from covers.audio.features import roll_key
from covers.models import registry
from covers.retrieval import search
from covers.retrieval.baselines import qmax
from covers.retrieval.hearing import hear_query
from covers.retrieval.search import Query, matches


def test_no_cover_is_an_answer():
    best = {"title": "", "recording": "r1", "distance": 1.3, "probability": 0.001}
    assert search.verdict(best).startswith('no cover found; the nearest, "r1"')
    assert search.verdict(best | {"probability": 0.8}) == 'a cover of "r1" (80% sure)'


def seconds(stretch):
    return [60 * int(m) + int(s) for m, s in (clock.split(":") for clock in stretch.split(" to "))]


def song(seed, n_chords, frames=10):
    rng = np.random.default_rng(seed)
    return rng.random((36, n_chords)).repeat(frames, axis=1).astype(np.float32)


def test_shipped_network_finds_where_two_recordings_match_in_another_key_and_tempo():
    network, shared = registry.resolve(None, "shipped"), song(1, 24)  # 60 s
    here = np.concatenate([song(2, 12), shared], axis=1)  # from 0:30
    there = np.concatenate([shared, song(3, 12)], axis=1)
    there = roll_key(stretch_time(there, 1.1), 4)  # to 1:06
    query = Query(hear_query(network, here, 4.0), here)
    found, stranger, unknown = matches(query, [there, song(4, 36), None], network)
    np.testing.assert_allclose(seconds(found.where["match here"]), [30, 90], atol=6)
    np.testing.assert_allclose(seconds(found.where["match there"]), [0, 66], atol=6)
    assert found.score > 5 * stranger.score
    assert np.isnan(unknown.score)
    assert unknown.where == {"match here": "", "match there": ""}


def test_a_match_ends_with_the_recording():
    network, x = registry.resolve(None, "shipped"), song(1, 24)[:, :233]  # 58.25 s
    query = Query(hear_query(network, x, 4.0), x)
    (found,) = matches(query, [x], network)
    assert found.where == {"match here": "0:00 to 0:58", "match there": "0:00 to 0:58"}


def test_a_network_that_is_not_aligned_has_its_matches_from_chroma():
    network, x = registry.untrained().only(frame_s=None), song(1, 24)
    query = Query(hear_query(network, x, 4.0), x)
    assert query.heard.windows is None
    (found,) = matches(query, [x], network)
    assert np.isnan(found.score)
    assert found.where == qmax.match(x, x)


def test_a_search_hears_no_stretches():
    network = registry.resolve(None, "shipped")
    query = hear_query(network, song(1, 24), 4.0)
    assert (len(query.wholes), query.stretches) == (3, ())
    assert query.windows is not None
    alone = network.only(frame_s=None)
    assert hear_query(alone, song(1, 24), 4.0).windows is None
