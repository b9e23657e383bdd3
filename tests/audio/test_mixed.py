import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.audio import mixed, songs
from lib.audio.mixed import Move
from lib.audio.songs import QUALITIES, Song

C_MAJOR = Song("c", "c", 0, 1, 100, np.array([[0.0, 1, 60]]), (), ((0, 16.0),))
A_MINOR = Song("a", "a", 9, 0, 100, np.array([[0.0, 1, 69]]), (), ((0, 16.0),))


def composed(name):
    return songs.compose(int(name), 0)


def scale_of(song):
    steps = songs.MAJOR if song.mode else songs.MINOR
    return {(song.tonic + step) % 12 for step in steps}


@pytest.mark.parametrize("song", [C_MAJOR, A_MINOR])
def test_mirror_keeps_the_tonic_and_the_scale_and_undoes_itself(song):
    turn = mixed._mirror(song)
    to = {p: int(p + turn[p]) % 12 for p in scale_of(song)}
    assert to[song.tonic] == song.tonic
    assert set(to.values()) == scale_of(song)
    assert all(to[to[p]] == p for p in to)


@pytest.mark.parametrize(
    ("chord", "upside_down"),
    [
        ((0, "maj"), (5, "maj")),  # I, IV
        ((2, "min"), (4, "min")),  # II, III
        ((9, "min7"), (9, "min")),  # VI; its first three tones
        ((11, "dim"), (7, "maj")),  # VII, V
    ],
)
def test_triads_upside_down_are_the_scales_triads(chord, upside_down):
    turn = mixed._mirror(C_MAJOR)
    assert mixed._mirrored(*chord, turn) == upside_down


def test_a_phrase_played_backwards_twice_is_itself():
    song = songs.compose(3, 0)
    once = Move(0, 16, 0, 0, None, True)
    inside = Move(0, 16, 0, 0, None, False)
    np.testing.assert_allclose(once.notes(once.notes(song.melody)), inside.notes(song.melody))
    assert once.chords(once.chords(song.chords)) == inside.chords(song.chords)


def test_a_phrase_backwards_ends_with_its_first_note():
    melody = np.array([[0.0, 1, 60], [1, 3, 62], [4, 12, 64]])
    moved = Move(0, 16, 32, 2, None, True).notes(melody)
    assert moved.tolist() == [[32, 12, 66], [44, 3, 64], [47, 1, 62]]


@given(number=st.integers(0, 2**31), seed=st.integers(0, 2**31))
def test_mixed_songs_stay_in_one_scale_with_notes_in_every_phrase(number, seed):
    song = mixed.mixed([str(n) for n in range(12)], composed, number, seed)
    assert {int(p) % 12 for p in song.melody[:, 2]} <= scale_of(song)
    tones = {(root + t) % 12 for _, _, root, quality in song.chords for t in QUALITIES[quality]}
    assert tones <= scale_of(song)
    for start, end in song.phrases:
        assert ((song.melody[:, 0] >= start) & (song.melody[:, 0] < end)).sum() >= 4
        assert any(start <= onset < end for onset, _, _, _ in song.chords)
    assert song.melody[:, 2].min() > 30
    assert song.melody[:, 2].max() < 100


def test_the_same_number_and_seed_give_the_same_song_and_others_differ():
    names = [str(n) for n in range(12)]
    a, b, c = (mixed.mixed(names, composed, n, 1) for n in (3, 3, 4))
    np.testing.assert_array_equal(a.melody, b.melody)
    assert a.chords == b.chords
    assert a.song_id != c.song_id
    assert a.melody.tolist() != c.melody.tolist()


def test_new_songs_are_made_of_training_songs_where_there_are_others():
    asked = []

    def load(name):
        asked.append(name)
        return composed(name)

    names = [(str(n), "train" if n % 2 else "test") for n in range(12)]
    made, read = mixed.of_songs(names, load, 5, 1)
    assert {split for _, split in made} == {"train"}
    for name, _ in made:
        read(name)
    assert asked
    assert all(int(name) % 2 for name in asked)


def test_a_song_that_cannot_be_read_is_left_out_and_none_is_refused():
    def load(name):
        if name != "1":
            raise ValueError(name)
        return composed(name)

    assert len(mixed.mixed(["0", "1", "2"], load, 0, 1).phrases) == 1
    with pytest.raises(ValueError, match="songs to mix must be readable, got none of 2"):
        mixed.mixed(["0", "2"], load, 0, 1)
