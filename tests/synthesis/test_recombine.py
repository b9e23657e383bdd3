import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covers.errors import InputError
from covers.synthesis import recombine
from covers.synthesis import song as songs
from covers.synthesis.recombine import Move, Scale
from covers.synthesis.song import QUALITIES

SCALES = [Scale(0, 1), Scale(9, 0)]  # C major, A minor


def composed(name):
    return songs.compose(int(name), 0)


def scale_of(song):
    steps = songs.MAJOR if song.mode else songs.MINOR
    return {(song.tonic + step) % 12 for step in steps}


@pytest.mark.parametrize("scale", SCALES)
def test_mirror_keeps_the_scale_turns_steps_around_and_undoes_itself(scale):
    melody = scale.pitch(np.array([28, 30, 29, 33, 32, 26, 28]))  # begins and ends on a tonic
    mirrored = scale.mirrored(melody)
    assert mirrored[0] == mirrored[-1] == melody[0]
    np.testing.assert_array_equal(np.sign(np.diff(mirrored)), -np.sign(np.diff(melody)))
    np.testing.assert_array_equal(np.diff(scale.place(mirrored)), -np.diff(scale.place(melody)))
    np.testing.assert_array_equal(scale.mirrored(mirrored), melody)


@pytest.mark.parametrize("scale", SCALES)
def test_pitches_between_two_of_the_scale_have_the_place_of_the_lower(scale):
    white = np.array([0, 2, 4, 5, 7, 9, 11]) + 60
    np.testing.assert_array_equal(scale.pitch(scale.place(white)), white)
    np.testing.assert_array_equal(
        scale.place(np.array([61, 63, 66, 68, 70])), scale.place(white[[0, 1, 3, 4, 5]])
    )


@pytest.mark.parametrize(
    ("chord", "upside_down"),
    [
        ((0, "maj"), (5, "maj")),  # I, IV
        ((2, "min"), (4, "min")),  # II, III
        ((9, "min7"), (9, "min")),  # VI; its first three tones
        ((11, "dim"), (7, "maj")),  # VII, V
        ((0, "sus2"), (5, "maj")),
        ((7, "sus4"), (11, "dim")),
    ],
)
def test_chords_upside_down_are_the_scales_triads(chord, upside_down):
    moved = Move(0, 16, 0, 0, SCALES[0], False).chords([(0.0, 4.0, *chord)])
    assert moved == [(0.0, 4.0, *upside_down)]


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
    song = recombine.mixed([str(n) for n in range(12)], composed, number, seed)
    assert {int(p) % 12 for p in song.melody[:, 2]} <= scale_of(song)
    tones = {(root + t) % 12 for _, _, root, quality in song.chords for t in QUALITIES[quality]}
    assert tones <= scale_of(song)
    for start, end in song.phrases:
        assert ((song.melody[:, 0] >= start) & (song.melody[:, 0] < end)).sum() >= 4
        assert any(start <= onset < end for onset, _, _, _ in song.chords)
    assert song.melody[:, 2].min() >= 24  # what the representations hear
    assert song.melody[:, 2].max() < 108


def test_the_same_number_and_seed_give_the_same_song_and_others_differ():
    names = [str(n) for n in range(12)]
    a, b, c = (recombine.mixed(names, composed, n, 1) for n in (3, 3, 4))
    np.testing.assert_array_equal(a.melody, b.melody)
    assert a.chords == b.chords
    assert a.song_id != c.song_id
    assert a.song_id != recombine.mixed(names[:11], composed, 3, 1).song_id
    assert a.melody.tolist() != c.melody.tolist()


def test_new_songs_are_made_of_training_songs_where_there_are_others():
    asked = []

    def load(name):
        asked.append(name)
        return composed(name)

    names = [(str(n), "train" if n % 2 else "test") for n in range(12)]
    made, read = recombine.of_songs(names, load, 5, 1)
    assert {split for _, split in made} == {"train"}
    for name, _ in made:
        read(name)
    assert asked
    assert all(int(name) % 2 for name in asked)
    with pytest.raises(InputError, match="must be in split train, got none of 1 there"):
        recombine.of_songs([("0", "test")], load, 5, 1)


def test_a_song_that_cannot_be_read_is_left_out_and_none_is_refused():
    def load(name):
        if name != "1":
            raise ValueError(name)
        return composed(name)

    assert len(recombine.mixed(["0", "1", "2"], load, 0, 1).phrases) == 1
    with pytest.raises(ValueError, match="songs to mix must be readable, got none of 2"):
        recombine.mixed(["0", "2"], load, 0, 1)
