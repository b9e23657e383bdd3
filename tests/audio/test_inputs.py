"""Files of every format, rate, width and length; folder trees; what is rejected, and why."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from covers.audio import decode, extract, manifest, sandbox
from covers.audio.features import compute, parameters

A4 = 69 - 24  # its bin in log_frequency
HAS_FFMPEG = shutil.which("ffmpeg") is not None


def tone(hertz=440.0, seconds=3.0, rate=16_000):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def strongest(path):
    x = extract.compute_tensor(str(path), parameters("log_frequency"))
    return int(x[:, 2:-2].mean(axis=1).argmax())


@pytest.mark.parametrize(
    ("subtype", "cosine"),
    [("PCM_U8", 0.95), *((name, 0.999) for name in ("PCM_16", "PCM_24", "PCM_32", "FLOAT"))],
)
def test_sample_width_hardly_changes_the_tensor(tmp_path, subtype, cosine):
    sf.write(tmp_path / "a.wav", tone(), 16_000, subtype=subtype)
    sf.write(tmp_path / "b.wav", tone(), 16_000, subtype="DOUBLE")
    p = parameters("chroma")
    one, other = (extract.compute_tensor(str(tmp_path / f), p) for f in ("a.wav", "b.wav"))
    assert np.sum(one * other, axis=0).min() > cosine


@pytest.mark.parametrize("rate", [8_000, 11_025, 32_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_number_of_channels_gives_the_same_tone(tmp_path, rate, channels):
    sf.write(tmp_path / "a.wav", np.repeat(tone(rate=rate)[:, None], channels, axis=1), rate)
    about = decode.probe(str(tmp_path / "a.wav"))
    assert (about.sample_rate, about.channels) == (rate, channels)
    assert about.duration_s == pytest.approx(3.0)
    assert strongest(tmp_path / "a.wav") == A4


@pytest.mark.parametrize("name", ["log_mel", "log_frequency", "chroma"])
@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(48_000),
        np.full(48_000, 0.7),
        np.sign(tone()),
        tone(seconds=0.1),
        tone(seconds=1e-4),
    ],
    ids=["silence", "direct current", "clipped", "0.1 s", "one sample"],
)
def test_unusual_waveform_gives_a_finite_tensor_with_frames(tmp_path, name, waveform):
    sf.write(tmp_path / "a.wav", waveform, 16_000, subtype="FLOAT")
    x = extract.compute_tensor(str(tmp_path / "a.wav"), parameters(name))
    assert np.isfinite(x).all()
    assert x.shape[1] == 1 + int(len(waveform) / 16_000 * parameters(name).frames_per_second)


def test_dc_offset_and_clipping_do_not_change_the_pitch():
    p = parameters("log_frequency")
    for waveform in (tone() + 0.4, np.clip(8 * tone(), -1, 1)):
        x = compute([waveform.astype(np.float32)], p)
        assert int(x[:, 2:-2].mean(axis=1).argmax()) == A4


def test_start_and_duration_select_a_section(tmp_path):
    waveform = np.concatenate([tone(220.0), tone(440.0), tone(880.0)])
    sf.write(tmp_path / "a.flac", waveform, 16_000)
    x = extract.compute_tensor(
        str(tmp_path / "a.flac"), parameters("log_frequency", start_s=3.0, duration_s=3.0)
    )
    assert x.shape[1] == 13
    assert set(x[:, 2:-2].argmax(axis=0)) == {A4}


@pytest.mark.skipif(not HAS_FFMPEG, reason="ffmpeg is not installed: AAC cannot be made here")
@pytest.mark.parametrize("name", ["a.m4a", "a.aac", "a.opus", "a.mka", "disguised.mp3"])
def test_formats_that_only_ffmpeg_reads_decode_to_the_same_music(tmp_path, name):
    sf.write(tmp_path / "a.wav", np.concatenate([tone(seconds=25.0), tone(660.0)]), 16_000)
    kind = ["-f", "ipod"] if name == "disguised.mp3" else []
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", *kind, tmp_path / name], check=True
    )
    info = decode.probe(str(tmp_path / name))
    assert info.duration_s == pytest.approx(28, abs=0.3)  # raw AAC has no duration in its header
    p = parameters("chroma")
    one, other = (extract.compute_tensor(str(tmp_path / f), p) for f in ("a.wav", name))
    assert abs(one.shape[1] - other.shape[1]) <= 1
    assert np.median(np.sum(one[:, :110] * other[:, :110], axis=0)) > 0.98


def test_without_ffmpeg_the_reason_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    (tmp_path / "a.m4a").write_bytes(b"\x00\x00\x00\x1cftypM4A " + bytes(100))
    with pytest.raises(sandbox.Rejected, match="apt install ffmpeg") as error:
        decode.probe(str(tmp_path / "a.m4a"))
    assert error.value.reason == "needs_ffmpeg"


def test_impossible_headers_are_rejected_with_their_reasons(tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros((40, 100)), 16_000)
    sf.write(tmp_path / "b.wav", np.zeros(400), 400)
    for name, reason in (("a.wav", "too_many_channels"), ("b.wav", "bad_sample_rate")):
        with pytest.raises(sandbox.Rejected) as error:
            decode.probe(str(tmp_path / name))
        assert error.value.reason == reason


def test_tree_of_covers80_is_listed_by_its_names_and_lists(tmp_path):
    folder = tmp_path / "covers32k" / "Let_It_Be"
    folder.mkdir(parents=True)
    (folder / "beatles+1+11-Let_It_Be.mp3").touch()
    (folder / "nick_cave+I_Am_Sam+07-Let_It_Be.mp3").touch()
    (folder.parent / "list1.list").write_text("Let_It_Be/beatles+1+11-Let_It_Be\n")
    (folder.parent / "list2.list").write_text("Let_It_Be/gone+X+01-Let_It_Be\n")
    found = manifest.list_folder(str(tmp_path), "covers80", "covers80")
    assert [x.artist for x in found] == ["beatles", "gone", "nick cave"]
    assert {(x.work_id, x.title) for x in found} == {("Let_It_Be", "Let It Be")}


def test_id_of_a_recording_survives_a_move(tmp_path):
    ids = []
    for root in ("here", "there"):
        (tmp_path / root / "Song").mkdir(parents=True)
        (tmp_path / root / "Song" / "a.mp3").touch()
        ids += [x.recording_id for x in manifest.list_folder(str(tmp_path / root), "x", "folders")]
    assert ids[0] == ids[1]


def outcome(listed):
    row = {n: getattr(listed, n) for n in (*manifest.COLUMNS, "data_set", "uri", "root")}
    return manifest.inspect_file(row, split="test", seed=0, limits=sandbox.Limits())


def test_link_out_of_the_tree_is_rejected_and_one_inside_is_not(tmp_path):
    (tmp_path / "tree").mkdir()
    sf.write(tmp_path / "outside.wav", tone(), 16_000)
    sf.write(tmp_path / "tree" / "real.wav", tone(), 16_000)
    (tmp_path / "tree" / "out.wav").symlink_to(tmp_path / "outside.wav")
    (tmp_path / "tree" / "in.wav").symlink_to(tmp_path / "tree" / "real.wav")
    found = manifest.list_folder(str(tmp_path / "tree"), "x", "flat")
    reasons = {x.title: outcome(x).get("reason") for x in found}
    assert reasons == {"in": None, "out": "outside_root", "real": None}


def test_file_that_changed_after_it_was_listed_is_not_decoded(tmp_path):
    sf.write(tmp_path / "a.wav", tone(), 16_000)
    row = extract.extract_outcome(
        "r", str(tmp_path / "a.wav"), "0" * 64, parameters("chroma"), sandbox.Limits()
    )
    assert row["reason"] == "changed"
