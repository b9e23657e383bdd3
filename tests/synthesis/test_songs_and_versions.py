import json
from dataclasses import replace

import mido
import numpy as np
import pytest
import soundfile as sf

from covers.synthesis import version_files, version_spec
from covers.synthesis.arrange import arrange
from covers.synthesis.chords import MAJOR, MINOR
from covers.synthesis.composer import compose
from covers.synthesis.pop909 import read_pop909, write_pop909
from covers.synthesis.song import Song, estimate_tonic
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import SamplingConfig, VersionSpec, sample_spec, sample_specs


def test_composing_twice_gives_the_same_song():
    a, b = compose(3, 1), compose(3, 1)
    assert a.title == b.title
    np.testing.assert_array_equal(a.melody, b.melody)


def test_composed_melody_stays_in_its_scale():
    song = compose(5, 1)
    scale = MAJOR if song.mode else MINOR
    assert {(int(p) - song.tonic) % 12 for p in song.melody[:, 2]} <= set(scale)


def test_perturbed_pitches_are_neighbours_in_the_melodys_scale_at_the_same_times():
    song = compose(5, 1)
    plain, other = (
        arrange(song, VersionSpec(1, pitch_perturbation=share)).parts["lead"][1]
        for share in (0.0, 1.0)
    )
    np.testing.assert_array_equal(plain[:, :2], other[:, :2])
    moved = np.abs(other[:, 2] - plain[:, 2])
    assert moved.min() > 0
    assert moved.max() <= 5
    assert set(other[:, 2] % 12) <= set(song.melody[:, 2] % 12)


@pytest.mark.parametrize("interval", [-5, -2, 2, 5])
def test_second_voice_follows_at_its_interval_in_the_melodys_scale(interval):
    song = compose(5, 1)
    alone, both = (
        arrange(song, VersionSpec(1, harmony=share, harmony_interval=interval)).parts["lead"][1]
        for share in (0.0, 1.0)
    )
    n = len(alone)
    assert len(both) == 2 * n
    np.testing.assert_array_equal(both[:n], alone)
    np.testing.assert_array_equal(both[n:, :2], alone[:, :2])
    assert set(both[n:, 2] % 12) <= set(song.melody[:, 2] % 12)
    semitones = (both[n:, 2] - alone[:, 2]) * np.sign(interval)
    assert semitones.min() >= (3 if abs(interval) == 2 else 7)
    assert both[n:, 3] == pytest.approx(0.7 * alone[:, 3])


def riff_notes(song, kind):
    """Return what a riff adds to the notes of the chords."""
    plain, both = (arrange(song, VersionSpec(1, riff=r)).parts["chords"][1] for r in ("none", kind))
    np.testing.assert_array_equal(both[: len(plain)], plain)
    return both[len(plain) :]


def test_riff_repeats_every_two_bars():
    song = compose(5, 1)
    riff, bars = riff_notes(song, "throughout"), 8 * 60 / song.tempo
    at = np.floor(riff[:, 0] / bars + 1e-6)
    first, second = (riff[at == n] - [bars * n, 0, 0, 0] for n in (0, 1))
    assert len(first) > 3
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_fills_begin_where_the_melody_rests():
    song = compose(5, 1)
    half = replace(song, melody=song.melody[song.melody[:, 0] < 16])  # of 48 beats
    fills, end = riff_notes(half, "fills"), 16 * 60 / song.tempo
    throughout = riff_notes(half, "throughout")
    np.testing.assert_array_equal(fills, throughout[throughout[:, 0] >= end - 1e-6])
    assert len(fills) > 5


def test_key_change_raises_the_last_third_of_every_part():
    song = compose(5, 1)
    plain, changed = (arrange(song, VersionSpec(1, key_change=n)) for n in (0, 2))
    end = 48 * 60 / song.tempo
    for part, (_, notes) in plain.parts.items():
        late = notes[:, 0] >= end * 2 / 3 - 1e-6
        np.testing.assert_allclose(changed.parts[part][1][:, 2] - notes[:, 2], 2 * late)


def test_an_easy_version_has_one_voice_with_the_written_notes():
    song = compose(5, 1)
    drawn = [sample_spec(song, seed) for seed in range(40)]
    assert any(s.harmony and s.riff != "none" for s in drawn)
    for spec in map(version_spec.make_easy, drawn):
        assert (spec.pitch_perturbation, spec.harmony, spec.riff, spec.key_change) == (
            0,
            0,
            "none",
            0,
        )
    assert version_spec.make_easy(drawn[0]).transpose == drawn[0].transpose


def test_an_unaccompanied_melody_is_the_only_part():
    spec = VersionSpec(1, pattern=version_spec.UNACCOMPANIED, bass="none")
    assert set(arrange(compose(5, 1), spec).parts) == {"lead"}


def test_song_without_notes_is_rejected():
    with pytest.raises(ValueError, match="melody of x must have notes"):
        Song("x", "x", 0, 1, 100, np.zeros((0, 3)), (), ((0, 16),))


def test_song_without_length_is_rejected():
    with pytest.raises(ValueError, match="phrases of x must have length"):
        Song("x", "x", 0, 1, 100, np.ones((1, 3)), (), ())


def test_song_written_as_pop909_reads_back_with_its_notes(tmp_path):
    song = compose(7, 1)
    write_pop909(song, tmp_path / "007")
    back = read_pop909(tmp_path / "007")
    assert len(back.melody) == len(song.melody)
    np.testing.assert_array_equal(back.melody[:, 2], song.melody[:, 2])
    np.testing.assert_allclose(np.diff(back.melody[:, 0]), np.diff(song.melody[:, 0]), atol=0.02)
    assert [(c[2], c[3]) for c in back.chords] == [(c[2], c[3]) for c in song.chords]


def test_bridge_and_piano_of_pop909_are_the_songs_accompaniment(tmp_path):
    song = compose(7, 1)
    write_pop909(song, tmp_path / "007")
    file = mido.MidiFile(tmp_path / "007" / "007.mid")
    for name, pitch in (("PIANO", 48), ("BRIDGE", 72), ("OTHER", 20)):
        on, off = (mido.Message("note_on", note=pitch, velocity=v, time=480) for v in (127, 0))
        file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name=name), on, off]))
    file.save(tmp_path / "007" / "007.mid")
    back = read_pop909(tmp_path / "007")
    assert len(back.melody) == len(song.melody)
    assert back.accompaniment[:, 2].tolist() == [48, 72]
    np.testing.assert_allclose(back.accompaniment[:, 3], 1.0)


def test_written_accompaniment_is_played_in_the_versions_key_and_form():
    chord = np.array([[0.0, 1.0, 48.0, 1.0], [16.0, 2.0, 55.0, 0.5]])
    song = replace(compose(1, 1), accompaniment=chord)
    spec = VersionSpec(seed=1, transpose=3, pattern="written", form=(1, 0), bass="none")
    _, notes = arrange(song, spec).parts["chords"]
    assert notes[:, 2].tolist() == [58.0, 51.0]
    assert notes[1, 0] - notes[0, 0] == pytest.approx(16 * 60 / song.tempo)
    assert notes[0, 3] == pytest.approx(notes[1, 3] / 2)


def test_written_accompaniment_is_drawn_only_for_songs_that_have_one():
    song = compose(1, 1)
    own = replace(song, accompaniment=np.array([[0.0, 1.0, 48.0, 1.0]]))
    drawn = [[sample_spec(s, seed) for seed in range(40)] for s in (song, own)]
    assert "written" not in {spec.pattern for spec in drawn[0]}
    assert 10 < sum(spec.pattern == "written" for spec in drawn[1]) < 30
    assert [s.transpose for s in drawn[0]] == [s.transpose for s in drawn[1]]


@pytest.mark.parametrize("broken", ["007.mid", "beat_midi.txt", "chord_midi.txt"])
def test_song_with_a_missing_file_is_rejected_by_name(tmp_path, broken):
    write_pop909(compose(7, 1), tmp_path / "007")
    (tmp_path / "007" / broken).unlink()
    with pytest.raises(ValueError, match="song must be a POP909 folder, got '007'"):
        read_pop909(tmp_path / "007")


def test_song_with_too_few_beats_is_rejected(tmp_path):
    write_pop909(compose(7, 1), tmp_path / "007")
    (tmp_path / "007" / "beat_midi.txt").write_text("0 1 1\n1 0 0\n")
    with pytest.raises(ValueError, match="at least 8 beats, got 2"):
        read_pop909(tmp_path / "007")


def test_the_same_spec_gives_the_same_waveform_bit_for_bit_also_when_read_from_json():
    song = compose(1, 1)
    spec = sample_spec(song, 4)
    again = VersionSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    np.testing.assert_array_equal(
        render(arrange(song, spec), spec), render(arrange(song, again), again)
    )


def test_tempo_ratio_scales_the_length():
    song, spec = compose(1, 1), VersionSpec(seed=1)
    slow = arrange(song, replace(spec, tempo_ratio=0.5)).duration_s - 1
    assert slow == pytest.approx(2 * (arrange(song, spec).duration_s - 1))


def test_transposing_moves_every_note_by_the_same_interval():
    song, spec = compose(1, 1), VersionSpec(seed=1)
    plain, up = arrange(song, spec), arrange(song, replace(spec, transpose=3))
    for part, (_, notes) in plain.parts.items():
        np.testing.assert_allclose(up.parts[part][1][:, 2] - notes[:, 2], 3)


def test_form_lists_the_phrases_that_are_played():
    song = compose(1, 1)
    twice = arrange(song, VersionSpec(seed=1, form=(0, 0)))
    once = arrange(song, VersionSpec(seed=1, form=(0,)))
    assert twice.duration_s - 1 == pytest.approx(2 * (once.duration_s - 1))


def test_unknown_instrument_is_rejected_by_name():
    song = compose(1, 1)
    spec = VersionSpec(seed=1, lead="kazoo")
    with pytest.raises(ValueError, match="got 'kazoo'"):
        render(arrange(song, spec), spec)


def test_waveform_is_finite_and_peaks_at_nine_tenths():
    song = compose(2, 1)
    spec = sample_spec(song, 9)
    waveform = render(arrange(song, spec), spec)
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() == pytest.approx(0.9, abs=1e-3)


def test_tonic_of_a_scale_in_d_minor_is_d_minor():
    melody = np.array(
        [[i, 2.0 if p == 62 else 1.0, p] for i, p in enumerate([62, 64, 65, 67, 69, 70, 72, 62])]
    )
    assert estimate_tonic(melody) == (2, 0)


@pytest.mark.parametrize("number", range(4))
def test_five_minutes_of_audio_are_written_in_every_format(tmp_path, monkeypatch, number):
    # Given all at once, libsndfile's Vorbis encoder overflows the stack: a segmentation fault.
    song = compose(1, 1)
    waveform = np.random.default_rng(0).uniform(-0.1, 0.1, 300 * 16_000).astype(np.float32)
    monkeypatch.setattr(version_files, "render", lambda *a, **k: waveform)
    spec = sample_spec(song, 1, max_phrases=1)
    row = version_files.write_audio(song, spec, number, tmp_path, "train")
    assert sf.info(str(tmp_path / row["path"])).duration == pytest.approx(300, abs=0.2)


def as_written(**changes):
    return arrange(compose(5, 0), VersionSpec(1, **changes))


def test_swing_delays_the_second_half_of_a_beat_and_leaves_the_beats():
    beat = 60 / compose(5, 0).tempo
    straight, swung = (as_written(swing=s).parts["lead"][1][:, 0] / beat for s in (0.0, 1 / 3))
    on_half = np.isclose(straight % 1, 0.5)
    assert on_half.any()
    np.testing.assert_allclose(swung[on_half] % 1, 2 / 3, atol=1e-6)
    np.testing.assert_allclose(swung[np.isclose(straight % 1, 0)] % 1, 0, atol=1e-6)


def test_intro_and_outro_have_chords_and_no_melody():
    song = compose(5, 0)
    beat, plain, longer = 60 / song.tempo, as_written(), as_written(intro=8, outro=16)
    assert longer.duration_s == pytest.approx(plain.duration_s + 24 * beat)
    np.testing.assert_allclose(
        longer.parts["lead"][1][:, 0], plain.parts["lead"][1][:, 0] + 8 * beat
    )
    chords = longer.parts["chords"][1][:, 0]
    assert chords.min() == 0
    assert chords.max() > longer.parts["lead"][1][:, 0].max() + 12 * beat


def test_solo_has_another_melody_over_the_same_chords():
    plain, solo = as_written(), as_written(solo=1)
    np.testing.assert_array_equal(plain.parts["chords"][1], solo.parts["chords"][1])
    start, end = (16 * 60 / compose(5, 0).tempo * n for n in (1, 2))
    for notes in (plain.parts["lead"][1], solo.parts["lead"][1]):
        assert ((notes[:, 0] >= start) & (notes[:, 0] < end)).sum() > 8
    outside = [
        n[(n[:, 0] < start) | (n[:, 0] >= end)]
        for n in (plain.parts["lead"][1], solo.parts["lead"][1])
    ]
    np.testing.assert_array_equal(*outside)
    inside = {round(p) % 12 for o, _, p, _ in solo.parts["lead"][1] if start <= o < end}
    played = {round(p) % 12 for o, _, p, _ in solo.parts["chords"][1] if start <= o < end}
    assert inside <= played


def test_every_field_of_a_spec_belongs_to_one_nuisance():
    fields = [name for names in version_spec.NUISANCES.values() for name in names]
    assert sorted(fields) == sorted(set(VersionSpec(1).to_dict()) - {"seed"})
    drawn = sample_spec(compose(5, 0), 3)
    assert version_spec.keep_nuisances(drawn, *version_spec.NUISANCES) == drawn


def test_spec_written_by_an_earlier_version_is_read():
    spec = sample_spec(compose(5, 0), 3, soundfonts=("a.sf2",))
    old = {
        "key_change": "lift", "pitch_slides": "scoops", "pitch_perturbation": "altered",
        "reverb": "room", "soundfont": "font", "eq_db": "tone_db", "harmony_interval": "interval",
    }  # fmt: skip
    stored = {old.get(key, key): value for key, value in spec.to_dict().items()}
    assert VersionSpec.from_dict(json.loads(json.dumps(stored | {"truth": {"key": 1}}))) == spec


def test_versions_of_a_song_have_successive_seeds():
    song = compose(5, 0)
    specs = sample_specs(song, SamplingConfig(3, 7, max_phrases=2, is_easy=True))
    drawn = [sample_spec(song, 7 + i, max_phrases=2) for i in range(3)]
    assert specs == [version_spec.make_easy(spec) for spec in drawn]
