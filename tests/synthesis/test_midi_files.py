"""Songs from any MIDI file, broken ones included, and duplicate songs."""

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covers.errors import InputError
from covers.synthesis import corpus, midi
from covers.synthesis.chords import QUALITIES, estimate_chords
from covers.synthesis.composer import compose
from covers.synthesis.pop909 import write_pop909
from covers.synthesis.song import Song


def track(name, pitches, *, channel=0, length=480, velocity=80):
    messages = [mido.MetaMessage("track_name", name=name)]
    for pitch in pitches:
        for force, time in ((velocity, 0), (0, length)):
            messages.append(
                mido.Message("note_on", note=pitch, velocity=force, time=time, channel=channel)
            )
    return mido.MidiTrack(messages)


@pytest.fixture
def save(tmp_path):
    def write(*tracks, name="song.mid", bpm=100.0):
        file = mido.MidiFile(ticks_per_beat=480)
        tempo = mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))
        file.tracks += [mido.MidiTrack([tempo]), *tracks]
        file.save(tmp_path / name)
        return tmp_path / name

    return write


def test_track_named_melody_is_the_melody_and_the_rest_is_accompaniment(save):
    low = [48, 52, 55, 60] * 4
    song = midi.read_midi(save(track("Piano", [p + 30 for p in low]), track("Lead vocal", low)))
    assert song.melody[:, 2].tolist() == low
    assert len(song.accompaniment) == 16
    assert song.tempo == pytest.approx(100, abs=0.01)


def test_without_names_the_highest_monophonic_track_is_the_melody(save):
    voice = [72, 74, 76, 77] * 8
    song = midi.read_midi(save(track("a", [40] * 32), track("b", voice, channel=1)))
    assert song.melody[:, 2].tolist() == voice


def test_drums_are_no_notes_of_the_song(save):
    song = midi.read_midi(save(track("x", [60] * 8), track("kit", [38] * 8, channel=9)))
    assert not len(song.accompaniment)


def test_chords_of_a_midi_file_are_marked_as_estimated(save):
    voices = {"melody": (67, 72), "alto": (64, 69), "bass": (48, 41)}  # C, then F, two bars each
    song = midi.read_midi(save(*(track(name, v, length=3840) for name, v in voices.items())))
    assert song.chords_from == "estimated"
    assert song.chords == ((0.0, 8.0, 0, "maj"), (8.0, 8.0, 5, "maj"))


@given(st.integers(0, 11), st.sampled_from(["maj", "min"]), st.integers(3, 6))
def test_a_triad_is_recognised_in_any_octave(root, quality, octave):
    pitches = [12 * octave + root + t for t in QUALITIES[quality]]
    notes = np.array([[0.0, 2.0, p, 1.0] for p in pitches])
    assert estimate_chords(notes, 2.0) == ((0.0, 2.0, root, quality),)


@pytest.mark.parametrize(
    ("tracks", "bpm", "message"),
    [
        ([], 100, "must have notes, got none"),
        ([track("melody", [60], length=0)], 100, "beats, got 0"),
        ([track("melody", [60] * 8)], 5_000, "tempo must be 20 to 400 BPM, got 5000"),
        ([track("melody", [60])] * 10_000, 100, "tracks must be at most 256, got 10001"),
        ([track("melody", [60], length=480 * 9_000)], 100, "beats, got 9000"),
    ],
)
def test_midi_that_is_no_song_is_rejected_in_one_line(save, tracks, bpm, message):
    with pytest.raises(ValueError, match=message) as error:
        midi.read_midi(save(*tracks, bpm=bpm))
    assert "\n" not in str(error.value)


@given(st.integers(0, 10_000), st.binary(max_size=8))
def test_truncated_or_garbled_midi_is_a_song_or_rejected(tmp_path_factory, at, garble):
    folder = tmp_path_factory.mktemp("midi")
    write_pop909(compose(1, 0), folder / "001")
    whole = (folder / "001" / "001.mid").read_bytes()
    at %= len(whole)
    (folder / "cut.mid").write_bytes(whole[:at] + garble)
    try:
        song = midi.read_midi(folder / "cut.mid")
    except ValueError as error:
        outcome = str(error)
    else:
        outcome = f"{len(song.melody)} notes of cut.mid"
    assert "cut.mid" in outcome
    assert not outcome.startswith("0 ")


def test_songs_are_pop909_folders_and_midi_files_outside_them(save, tmp_path):
    write_pop909(compose(1, 0), tmp_path / "001")
    (tmp_path / "001" / "versions").mkdir()
    mido.MidiFile().save(tmp_path / "001" / "versions" / "001-v1.mid")
    alone = save(track("melody", [60, 62, 64, 65]))
    assert corpus.find_songs(str(tmp_path), None) == [str(tmp_path / "001"), str(alone)]
    load = corpus.song_loader(str(tmp_path))
    assert [load(n).song_id for n in corpus.find_songs(str(tmp_path), None)] == [
        "pop909-001",
        "song",
    ]


def test_folder_without_songs_is_rejected(tmp_path):
    with pytest.raises(InputError, match="got none in"):
        corpus.find_songs(str(tmp_path), None)


def test_a_transposed_song_has_the_same_ngrams_and_another_song_none():
    one, other = compose(3, 0), compose(4, 0)
    higher = Song("x", "x", 0, 1, 90, one.melody + np.array([0, 0, 5]), one.chords, one.phrases)
    np.testing.assert_array_equal(
        corpus.melodic_ngrams(one.melody), corpus.melodic_ngrams(higher.melody)
    )
    assert (
        len(np.intersect1d(corpus.melodic_ngrams(one.melody), corpus.melodic_ngrams(other.melody)))
        <= 1
    )


@given(
    st.lists(
        st.tuples(st.sampled_from("ABCDE"), st.sets(st.integers(0, 30), max_size=12)), min_size=1, max_size=9
    )
)  # fmt: skip
def test_duplicates_are_those_of_a_double_loop(given_songs):
    titles, ngrams = zip(*given_songs, strict=True)
    n = len(titles)
    first = list(range(n))
    for _ in range(n):
        for i in range(n):
            for j in range(n):
                union = len(ngrams[i] | ngrams[j])
                is_similar = (
                    bool(union) and len(ngrams[i] & ngrams[j]) / union > corpus.DUPLICATE_SIMILARITY
                )
                if is_similar or titles[i] == titles[j]:
                    first[i] = first[j] = min(first[i], first[j])
    arrays = [np.array(sorted(f), np.int64) for f in ngrams]
    assert corpus.find_duplicates(list(titles), arrays) == first
