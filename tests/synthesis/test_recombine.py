import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covers.errors import InputError
from covers.synthesis.chords import MAJOR, MINOR, QUALITIES
from covers.synthesis.composer import compose
from covers.synthesis.recombine import PhraseTransform, Scale, plan_recombinations, recombine

SCALES = [Scale(0, 1), Scale(9, 0)]  # C major, A minor


def composed(name):
    return compose(int(name), 0)


def scale_of(song):
    steps = MAJOR if song.mode else MINOR
    return {(song.tonic + step) % 12 for step in steps}


@pytest.mark.parametrize("scale", SCALES)
def test_inversion_keeps_the_scale_negates_steps_and_is_its_own_inverse(scale):
    melody = scale.pitch(np.array([28, 30, 29, 33, 32, 26, 28]))  # begins and ends on a tonic
    inverted = scale.invert(melody)
    assert inverted[0] == inverted[-1] == melody[0]
    np.testing.assert_array_equal(np.sign(np.diff(inverted)), -np.sign(np.diff(melody)))
    np.testing.assert_array_equal(np.diff(scale.degree(inverted)), -np.diff(scale.degree(melody)))
    np.testing.assert_array_equal(scale.invert(inverted), melody)


@pytest.mark.parametrize("scale", SCALES)
def test_pitches_between_two_of_the_scale_have_the_degree_of_the_lower(scale):
    white = np.array([0, 2, 4, 5, 7, 9, 11]) + 60
    np.testing.assert_array_equal(scale.pitch(scale.degree(white)), white)
    np.testing.assert_array_equal(
        scale.degree(np.array([61, 63, 66, 68, 70])), scale.degree(white[[0, 1, 3, 4, 5]])
    )


@pytest.mark.parametrize(
    ("chord", "inverted"),
    [
        ((0, "maj"), (5, "maj")),  # I, IV
        ((2, "min"), (4, "min")),  # II, III
        ((9, "min7"), (9, "min")),  # VI; its first three tones
        ((11, "dim"), (7, "maj")),  # VII, V
        ((0, "sus2"), (5, "maj")),
        ((7, "sus4"), (11, "dim")),
    ],
)
def test_inverted_chords_are_triads_of_the_scale(chord, inverted):
    moved = PhraseTransform(0, 16, 0, 0, SCALES[0], False).chords([(0.0, 4.0, *chord)])
    assert moved == [(0.0, 4.0, *inverted)]


def test_the_retrograde_of_a_retrograde_is_the_phrase():
    song = compose(3, 0)
    once = PhraseTransform(0, 16, 0, 0, None, True)
    inside = PhraseTransform(0, 16, 0, 0, None, False)
    np.testing.assert_allclose(once.notes(once.notes(song.melody)), inside.notes(song.melody))
    assert once.chords(once.chords(song.chords)) == inside.chords(song.chords)


def test_a_retrograde_ends_with_the_first_note():
    melody = np.array([[0.0, 1, 60], [1, 3, 62], [4, 12, 64]])
    moved = PhraseTransform(0, 16, 32, 2, None, True).notes(melody)
    assert moved.tolist() == [[32, 12, 66], [44, 3, 64], [47, 1, 62]]


@given(number=st.integers(0, 2**31), seed=st.integers(0, 2**31))
def test_recombined_songs_stay_in_one_scale_with_notes_in_every_phrase(number, seed):
    song = recombine([str(n) for n in range(12)], composed, number, seed)
    assert {int(p) % 12 for p in song.melody[:, 2]} <= scale_of(song)
    tones = {(root + t) % 12 for _, _, root, quality in song.chords for t in QUALITIES[quality]}
    assert tones <= scale_of(song)
    for start, end in song.phrases:
        assert ((song.melody[:, 0] >= start) & (song.melody[:, 0] < end)).sum() >= 4
        assert any(start <= onset < end for onset, _, _, _ in song.chords)
    assert song.melody[:, 2].min() >= 24  # the range of the representations
    assert song.melody[:, 2].max() < 108


def test_the_same_number_and_seed_give_the_same_song_and_another_number_another():
    names = [str(n) for n in range(12)]
    a, b, c = (recombine(names, composed, n, 1) for n in (3, 3, 4))
    np.testing.assert_array_equal(a.melody, b.melody)
    assert a.chords == b.chords
    assert a.song_id != c.song_id
    assert a.song_id != recombine(names[:11], composed, 3, 1).song_id
    assert a.melody.tolist() != c.melody.tolist()


def test_only_songs_in_split_train_are_recombined():
    loaded = []

    def load(name):
        loaded.append(name)
        return composed(name)

    names = [(str(n), "train" if n % 2 else "test") for n in range(12)]
    planned, read = plan_recombinations(names, load, 5, 1)
    assert {split for _, split in planned} == {"train"}
    for name, _ in planned:
        read(name)
    assert loaded
    assert all(int(name) % 2 for name in loaded)
    with pytest.raises(InputError, match="must be in split train, got none of 1 there"):
        plan_recombinations([("0", "test")], load, 5, 1)


def test_a_song_that_cannot_be_read_is_skipped_and_none_at_all_is_rejected():
    def load(name):
        if name != "1":
            raise ValueError(name)
        return composed(name)

    assert len(recombine(["0", "1", "2"], load, 0, 1).phrases) == 1
    with pytest.raises(ValueError, match="songs to recombine must be readable, got none of 2"):
        recombine(["0", "2"], load, 0, 1)
