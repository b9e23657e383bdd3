"""Versions played by fluidsynth with soundfonts."""

from dataclasses import replace

import mido
import numpy as np
import pytest

from covers.audio.features import compute, parameters
from covers.errors import InputError
from covers.synthesis import soundfont
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import PROGRAMS, VersionSpec, sample_spec

needs_a_soundfont = pytest.mark.skipif(
    not soundfont.installed_soundfonts(),
    reason="no soundfont is installed (apt-get install fluid-soundfont-gm)",
)
SONG = compose(2, 0)


def notes_of(track):
    now, found = 0, []
    for message in track:
        now += message.time
        if message.type == "note_on" and message.velocity:
            found.append((now / (2 * soundfont.TICKS), message.note))
    return np.array(found)


def test_midi_of_a_score_has_its_notes_programs_and_tuning():
    spec = VersionSpec(1, lead="flute", drums="rock", tuning_cents=25, programs={"lead": 73})
    score = arrange(SONG, spec)
    midi = soundfont.to_midi(score, spec)
    lead, drums = midi.tracks[0], midi.tracks[-1]
    assert [m.program for m in lead if m.type == "program_change"] == [73]
    assert [m.pitch for m in lead if m.type == "pitchwheel"] == [1024]  # an eighth of two semitones
    written = score.parts["lead"][1]
    written = written[np.lexsort((written[:, 2], written[:, 0]))]
    played = notes_of(lead)
    np.testing.assert_allclose(played[:, 0], written[:, 0], atol=0.002)
    np.testing.assert_array_equal(played[:, 1], np.round(written[:, 2] - 0.25))
    assert len(notes_of(drums)) == len(score.drums)
    assert {m.channel for m in drums if isinstance(m, mido.Message)} == {soundfont.DRUM_CHANNEL}


def test_soundfonts_add_a_soundfont_and_programs_to_a_version_and_change_nothing_else():
    without, drawn = (sample_spec(SONG, 5, soundfonts=s) for s in ((), ("a.sf2", "b.sf2")))
    assert replace(drawn, soundfont="", programs={}) == without
    assert drawn.soundfont in {"a.sf2", "b.sf2"}
    assert drawn.programs["lead"] in PROGRAMS[drawn.lead]


def test_missing_soundfont_is_one_line_that_names_the_package():
    with pytest.raises(InputError, match=r"'none\.sf2'; install .*apt-get install") as error:
        soundfont.find_soundfont("none.sf2")
    assert "\n" not in str(error.value)


def test_missing_fluidsynth_is_one_line_that_names_the_package(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"needs the program fluidsynth.*apt-get install"):
        soundfont.check_soundfonts(["x.sf2"])


@needs_a_soundfont
def test_fluidsynth_plays_the_same_bits_twice_and_what_was_written():
    name = soundfont.installed_soundfonts()[0]
    spec = VersionSpec(1, form=(0,), lead="piano", soundfont=name, programs={"lead": 0})
    score = arrange(SONG, spec)
    waveform, again = render(score, spec), render(score, spec)
    np.testing.assert_array_equal(waveform, again)
    assert len(waveform) == int(score.duration_s * 16_000)
    sampled, synthesized = (
        compute([x], parameters("chroma")).reshape(3, 12, -1).sum(axis=(0, 2))
        for x in (waveform, render(score, replace(spec, soundfont="")))
    )
    assert np.corrcoef(sampled, synthesized)[0, 1] > 0.8
