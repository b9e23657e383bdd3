"""Reference sets from the tables of a lake, read without Spark."""

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from covers.audio import quantize
from covers.errors import InputError
from covers.retrieval import index, reference_reader
from covers.retrieval.embedding import TrackEmbeddings, extract_embeddings
from covers.retrieval.reference_reader import load_tensors, read_lake
from covers.retrieval.storage import pack_sequences
from covers.schemas.spectrograms import SPECTROGRAMS
from tests.retrieval.made import N, covernet, song, unit
from tests.rows import spectrogram_row

MODEL = covernet(tempo_factors=(1.0, 0.8), segment_s=(10, 5), frame_s=(4, 2))
CHROMAS = {name: song(i, 12) for i, name in enumerate("abcde")}  # 30 s each
# What each has stored: b has no sequences, c no spectrogram either, d is no longer present.
STORED = {"a": True, "b": False, "c": False, "d": True, "e": True}


def stored_tensor(name):
    row = dict(zip(SPECTROGRAMS.column_names, spectrogram_row(name, CHROMAS[name]), strict=True))
    return quantize.tensor_of_row(row)


@pytest.fixture(scope="module")
def embedded():
    return {name: extract_embeddings(MODEL, stored_tensor(name), 4.0) for name in CHROMAS}


def write(lake, table, rows):
    write_deltalake(f"{lake}/{table}", pa.Table.from_pylist(rows))


@pytest.fixture(scope="module")
def lake(embedded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    recordings = [
        {"recording_id": i, "title": f"title {i}", "artist": None, "work_id": "w", "split": "test",
         "state": "missing" if i == "d" else "present"}
        for i in CHROMAS
    ]  # fmt: skip
    vectors = [
        {"recording_id": i, "model_id": MODEL.model_id, "segment": 0, "vector": e.track[0].tolist()}
        for i, e in embedded.items()
    ]
    vectors += [vectors[0] | {"segment": 1}, vectors[1] | {"model_id": "another"}]
    sequences = [
        {"recording_id": i, "model_id": MODEL.model_id} | pack_sequences(e)
        for i, e in embedded.items()
        if STORED[i]
    ]
    names = SPECTROGRAMS.column_names
    spectrograms = [
        dict(zip(names, spectrogram_row(i, CHROMAS[i]), strict=True)) for i in CHROMAS if i != "c"
    ]
    write(folder, "recordings", recordings)
    write(folder, "embeddings", vectors)
    write(folder, "sequence_embeddings", sequences)
    write(folder, "spectrograms", spectrograms)
    return str(folder)


def test_a_lake_is_its_present_recordings_that_the_model_has_embedded(lake, embedded):
    found = read_lake(lake, MODEL)
    assert sorted(found.ids) == ["a", "b", "c", "e"]
    for i, track in zip(found.ids, found.tracks, strict=True):
        np.testing.assert_allclose(track, embedded[i].track[0], atol=1e-6)
    assert found.metadata["a"].title == "title a"
    assert found.metadata["a"].artist == ""
    assert found.nearest_index is None


def assert_near(found, expected, atol):
    np.testing.assert_allclose(found.track, expected.track, atol=atol)
    np.testing.assert_allclose(
        np.concatenate(found.segments), np.concatenate(expected.segments), atol=atol
    )
    np.testing.assert_allclose(found.frames, expected.frames, atol=atol)
    assert found.semitones == expected.semitones


def test_segments_and_frames_are_the_stored_ones_or_embedded_anew(lake, embedded, monkeypatch):
    anew = []

    def extract(model, tensor, rate):
        anew.append(tensor)
        return extract_embeddings(model, tensor, rate)

    monkeypatch.setattr(reference_reader, "extract_embeddings", extract)
    found = read_lake(lake, MODEL).load(["a", "b", "c", "e"])
    assert set(found) == {"a", "b", "e"}  # c has nothing that it could be embedded from
    assert len(anew) == 1  # b alone: a and e are stored
    assert_near(found["a"], embedded["a"], atol=2e-3)
    assert_near(found["b"], embedded["b"], atol=1e-5)


def test_a_search_ranks_what_is_stored_embedded_anew_and_without_frames(lake, embedded):
    found = read_lake(lake, MODEL)
    for name in "abce":
        scored = found.score(embedded[name], np.arange(len(found)))
        order = scored.order().tolist()
        assert found.ids[order[0]] == name
        without = [found.ids[i] == "c" for i in range(len(found))]
        assert [a is None for a in scored.alignments] == without


def test_a_model_without_sequences_loads_none(lake):
    plain = MODEL.with_card(segment_s=None, frame_s=None)
    assert read_lake(lake, plain).load(["a", "b"]) == {}


def test_features_are_read_by_recording_and_representation(lake):
    tables = reference_reader.open_snapshot(f"{lake}/spectrograms")
    found = load_tensors(tables, ["a", "c"], "chroma")
    assert set(found) == {"a"}
    np.testing.assert_allclose(found["a"], stored_tensor("a"))
    assert load_tensors(tables, ["a"], "log_mel") == {}
    assert load_tensors(None, ["a"], "chroma") == {}


def test_a_folder_that_is_no_lake_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"lake with recordings and embeddings.*run embed_record"):
        read_lake(str(tmp_path), MODEL)


def test_a_model_that_has_embedded_nothing_is_refused_unless_that_is_allowed(lake):
    other = type(MODEL)("other", None, MODEL.card)
    with pytest.raises(InputError, match="must hold model other, got none; run embed_recordings"):
        read_lake(lake, other)
    tables = reference_reader.Tables(
        *(reference_reader.open_snapshot(f"{lake}/{t}") for t in ("recordings", "embeddings"))
    )
    assert len(reference_reader.read_tables(tables, other, None, allow_empty=True)) == 0


@pytest.fixture
def large(tmp_path):
    """A lake of 400 made embeddings, without sequences."""
    x = unit(np.random.default_rng(0).normal(size=(400, 48)))
    ids = [f"r{i}" for i in range(400)]
    about = {"title": "", "artist": "", "work_id": "", "split": "test", "state": "present"}
    own = {"model_id": MODEL.model_id, "segment": 0}
    vectors = dict(zip(ids, x.tolist(), strict=True))
    write(tmp_path, "recordings", [{"recording_id": i, **about} for i in ids])
    write(tmp_path, "embeddings", [{"recording_id": i, "vector": vectors[i], **own} for i in ids])
    return tmp_path, x


def test_a_large_lake_is_searched_by_its_index(large, monkeypatch):
    folder, x = large
    kept = folder / "files" / "index" / f"{MODEL.model_id}.npz"
    query = TrackEmbeddings(x[[7]], N)
    exact = read_lake(str(folder), MODEL)
    assert exact.nearest_index is None
    assert not kept.exists()
    monkeypatch.setattr(index, "EXACT_UP_TO", 100)
    by_index = read_lake(str(folder), MODEL)
    assert by_index.nearest_index is not None
    assert kept.exists()
    first = [found.ids[found.candidates(query, 3).rows[0]] for found in (exact, by_index)]
    assert first == ["r7", "r7"]


def test_a_lake_without_a_folder_for_files_has_no_index(large, monkeypatch):
    monkeypatch.setattr(index, "EXACT_UP_TO", 100)
    tables = reference_reader.Tables(
        *(reference_reader.open_snapshot(f"{large[0]}/{t}") for t in ("recordings", "embeddings"))
    )
    assert reference_reader.read_tables(tables, MODEL, None).nearest_index is None
