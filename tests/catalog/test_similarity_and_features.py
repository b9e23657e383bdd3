"""The write-up's formula by its published values, and the encodings."""

import math

import pytest

from covers.catalog import features, features_table, similarity_table
from covers.errors import InputError

pytestmark = pytest.mark.spark

# name, artist, danceability, energy, key, mode, valence, tempo: rows of the real catalogue
SONGS = [
    ("t0", "Mr. Brightside", "The Killers", 0.355, 0.918, 1, 1, 0.24, 148.114),
    ("t1", "Wonderwall", "Oasis", 0.409, 0.892, 2, 1, 0.651, 174.426),
    ("t2", "Come as You Are", "Nirvana", 0.508, 0.826, 4, 0, 0.543, 120.012),
    ("t3", "Take Me Out", "Franz Ferdinand", 0.279, 0.664, 9, 1, 0.49, 104.56),
    ("t4", "Creep", "Radiohead", 0.515, 0.43, 7, 1, 0.104, 91.841),
    ("t5", "Take Me Out", "Another Band", 0.5, 0.5, -1, 0, 0.5, 0.0),
]
COLUMNS = ["track_id", "name", "artist", "danceability", "energy", "key", "mode", "valence", "tempo"]  # fmt: skip
SCALER = features.Scaler(
    0.0, 238.895,
    {"danceability": 0.5, "energy": 0.6, "valence": 0.4, "tempo": 120.0},
    {"danceability": 0.2, "energy": 0.2, "valence": 0.2, "tempo": 30.0},
)  # fmt: skip


@pytest.fixture(scope="module")
def tracks(spark):
    return spark.createDataFrame(SONGS, COLUMNS).persist()


def encoded(tracks, encoding):
    rows = tracks.select("track_id", features_table.encode(SCALER, encoding).alias("f")).collect()
    return {r["track_id"]: list(r["f"]) for r in rows}


def naive(a, b):
    """The write-up's mean of six terms, in plain Python."""
    terms = [1 - abs(a[i] - b[i]) for i in (0, 1, 4, 5)]
    return (sum(terms) + (a[2] == b[2]) + (a[3] == b[3])) / 6


def test_published_similarities_to_mr_brightside_come_out(tracks):
    rows = features_table.feature_rows(
        tracks, SCALER, "raw", scaler_id="s", source="catalog", version=0
    )
    scored = similarity_table.similarity_rows(rows, seed_track_id="t0", method="writeup")
    found = {r["track_id"]: r["similarity"] for r in scored.collect()}
    x = encoded(tracks, "raw")
    for track, vector in x.items():
        assert found[track] == pytest.approx(naive(vector, x["t0"]), abs=1e-12)
    assert found["t1"] == pytest.approx(0.733143, abs=5e-7)
    assert found["t2"] == pytest.approx(0.555728, abs=5e-7)
    assert found["t3"] == pytest.approx(0.706281, abs=5e-7)
    assert found["t4"] == pytest.approx(0.663407, abs=5e-7)


@pytest.mark.parametrize("method", similarity_table.METHODS)
def test_song_has_similarity_1_to_itself_and_others_are_between_0_and_1(tracks, method):
    rows = features_table.feature_rows(
        tracks, SCALER, "raw", scaler_id="s", source="catalog", version=0
    )
    scored = similarity_table.similarity_rows(rows, seed_track_id="t0", method=method).collect()
    found = {r["track_id"]: r["similarity"] for r in scored}
    assert found.pop("t0") == pytest.approx(1.0)
    assert all(0 <= value < 1 for value in found.values())


def test_name_is_found_without_its_case_accents_and_punctuation(tracks):
    assert similarity_table.find_track(tracks, "mr brightside", "the KILLERS") == "t0"
    assert similarity_table.find_track(tracks, "MR.BRIGHTSIDÉ", "the-killers") == "t0"


def test_ambiguous_name_lists_the_candidates(tracks):
    with pytest.raises(InputError, match="got several: Take Me Out by Franz Ferdinand = t3"):
        similarity_table.find_track(tracks, "Take me out", None)


def test_unknown_name_lists_the_nearest(tracks):
    with pytest.raises(InputError, match=r"got 'Wonderwal' by None; nearest: Wonderwall by Oasis"):
        similarity_table.find_track(tracks, "Wonderwal", None)


def test_seed_without_features_is_refused(tracks):
    rows = features_table.feature_rows(
        tracks, SCALER, "raw", scaler_id="s", source="catalog", version=0
    )
    with pytest.raises(InputError, match="got none for 'nobody'"):
        similarity_table.similarity_rows(rows, seed_track_id="nobody", method="writeup")


def test_raw_encoding_scales_nothing_but_tempo(tracks):
    assert encoded(tracks, "raw")["t0"] == pytest.approx(
        [0.355, 0.918, 1, 1, 0.24, 148.114 / 238.895]
    )


def test_musical_encoding_puts_neighbours_on_the_circle_of_fifths_near(tracks):
    x = encoded(tracks, "musical")

    def distance(a, b):
        return math.dist(x[a][4:6], x[b][4:6])

    assert distance("t1", "t3") == pytest.approx(2 * 0.5 * math.sin(math.pi / 12))  # D and A
    assert distance("t0", "t4") == pytest.approx(1.0)  # C sharp and G: opposite


def test_unknown_key_and_tempo_sit_in_the_middle(tracks):
    vector = encoded(tracks, "musical")["t5"]
    assert vector[3:6] == pytest.approx([0, 0, 0])


def test_unknown_encoding_and_method_are_refused():
    with pytest.raises(ValueError, match="encoding must be one of"):
        features_table.encode(SCALER, "plain")
    with pytest.raises(ValueError, match="method must be one of"):
        similarity_table.similarity("cosine", [0.0] * 6)
