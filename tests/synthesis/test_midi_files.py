"""Songs out of any MIDI file, broken ones included, and songs that are one under two names."""

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covers.errors import InputError
from covers.synthesis import corpus, demo, midi
from covers.synthesis import song as songs


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


def test_without_names_the_high_single_voice_is_the_melody(save):
    voice = [72, 74, 76, 77] * 8
    song = midi.read_midi(save(track("a", [40] * 32), track("b", voice, channel=1)))
    assert song.melody[:, 2].tolist() == voice


def test_drums_are_no_notes_of_the_song(save):
    song = midi.read_midi(save(track("x", [60] * 8), track("kit", [38] * 8, channel=9)))
    assert not len(song.accompaniment)


def test_chords_of_a_midi_file_are_estimated_and_it_says_so(save):
    voices = {"melody": (67, 72), "alto": (64, 69), "bass": (48, 41)}  # C, then F, two bars each
    song = midi.read_midi(save(*(track(name, v, length=3840) for name, v in voices.items())))
    assert song.chords_from == "estimated"
    assert song.chords == ((0.0, 8.0, 0, "maj"), (8.0, 8.0, 5, "maj"))


@given(st.integers(0, 11), st.sampled_from(["maj", "min"]), st.integers(3, 6))
def test_a_triad_is_heard_as_itself_in_any_octave(root, quality, octave):
    pitches = [12 * octave + root + t for t in songs.QUALITIES[quality]]
    notes = np.array([[0.0, 2.0, p, 1.0] for p in pitches])
    assert midi.estimate_chords(notes, 2.0) == ((0.0, 2.0, root, quality),)


@pytest.mark.parametrize(
    ("tracks", "bpm", "said"),
    [
        ([], 100, "must have notes, got none"),
        ([track("melody", [60], length=0)], 100, "beats, got 0"),
        ([track("melody", [60] * 8)], 5_000, "tempo must be 20 to 400 BPM, got 5000"),
        ([track("melody", [60])] * 10_000, 100, "tracks must be at most 256, got 10001"),
        ([track("melody", [60], length=480 * 9_000)], 100, "beats, got 9000"),
    ],
)
def test_midi_that_is_no_song_is_refused_in_one_line(save, tracks, bpm, said):
    with pytest.raises(ValueError, match=said) as error:
        midi.read_midi(save(*tracks, bpm=bpm))
    assert "\n" not in str(error.value)


@given(st.integers(0, 10_000), st.binary(max_size=8))
def test_cut_or_garbled_midi_is_a_song_or_a_refusal(tmp_path_factory, at, garble):
    folder = tmp_path_factory.mktemp("midi")
    demo.export_pop909(songs.compose(1, 0), folder / "001")
    whole = (folder / "001" / "001.mid").read_bytes()
    at %= len(whole)
    (folder / "cut.mid").write_bytes(whole[:at] + garble)
    try:
        song = midi.read_midi(folder / "cut.mid")
    except ValueError as refused:
        said = str(refused)
    else:
        said = f"{len(song.melody)} notes of cut.mid"
    assert "cut.mid" in said
    assert not said.startswith("0 ")


def test_songs_are_pop909_folders_and_midi_files_outside_them(save, tmp_path):
    demo.export_pop909(songs.compose(1, 0), tmp_path / "001")
    (tmp_path / "001" / "versions").mkdir()
    mido.MidiFile().save(tmp_path / "001" / "versions" / "001-v1.mid")
    alone = save(track("melody", [60, 62, 64, 65]))
    assert corpus.found(str(tmp_path), None) == [str(tmp_path / "001"), str(alone)]
    load = corpus.loader(str(tmp_path))
    assert [load(n).song_id for n in corpus.found(str(tmp_path), None)] == [
        "pop909-001",
        "song",
    ]


def test_folder_without_songs_is_refused(tmp_path):
    with pytest.raises(InputError, match="got none in"):
        corpus.found(str(tmp_path), None)


def test_a_song_in_another_key_has_the_same_figures_and_another_song_none():
    one, other = songs.compose(3, 0), songs.compose(4, 0)
    higher = songs.Song(
        "x", "x", 0, 1, 90, one.melody + np.array([0, 0, 5]), one.chords, one.phrases
    )
    np.testing.assert_array_equal(corpus.figures(one.melody), corpus.figures(higher.melody))
    assert len(np.intersect1d(corpus.figures(one.melody), corpus.figures(other.melody))) <= 1


@given(
    st.lists(
        st.tuples(st.sampled_from("ABCDE"), st.sets(st.integers(0, 30), max_size=12)), min_size=1, max_size=9
    )
)  # fmt: skip
def test_alike_is_what_a_double_loop_finds(given_songs):
    titles, of_songs = zip(*given_songs, strict=True)
    n = len(titles)
    first = list(range(n))
    for _ in range(n):
        for i in range(n):
            for j in range(n):
                union = len(of_songs[i] | of_songs[j])
                near = bool(union) and len(of_songs[i] & of_songs[j]) / union > corpus.ALIKE
                if near or titles[i] == titles[j]:
                    first[i] = first[j] = min(first[i], first[j])
    arrays = [np.array(sorted(f), np.int64) for f in of_songs]
    assert corpus.alike(list(titles), arrays) == first
