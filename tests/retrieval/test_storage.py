"""Embeddings in 8 bits come back nearly as they were."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.storage import (
    dequantize_rows,
    pack_sequences,
    quantize_rows,
    unpack_sequences,
)
from covers.schemas.sequence_embeddings import SEQUENCE_EMBEDDINGS
from tests.retrieval.made import works

WIDTH = 12
rows = st.integers(0, 6).flatmap(
    lambda n: arrays.arrays(np.float32, (n, WIDTH), elements=st.floats(-1, 1, width=32))
)


@given(rows)
def test_an_entry_is_wrong_by_no_more_than_half_a_step_of_its_row(x):
    data, scales = quantize_rows(x)
    back = dequantize_rows(data, np.array(scales), WIDTH)
    assert back.shape == x.shape
    assert len(data) == x.size
    largest = np.abs(x).max(axis=1, initial=0)[:, None]
    assert (np.abs(back - x) <= largest / 254 * 1.001 + 1e-9).all()


@given(rows)
def test_stored_twice_is_stored_once(x):
    data, scales = quantize_rows(x)
    once = dequantize_rows(data, np.array(scales), WIDTH)
    data, scales = quantize_rows(once)
    np.testing.assert_allclose(
        dequantize_rows(data, np.array(scales), WIDTH), once, rtol=1e-5, atol=1e-12
    )


@st.composite
def embeddings(draw):
    def matrix(n):
        return draw(
            arrays.arrays(np.float32, (n, WIDTH), elements=st.floats(-1, 1, width=32))
        )  # fmt: skip

    k = draw(st.integers(1, 3))
    has_segments, n_frames = draw(st.booleans()), draw(st.integers(0, 5))
    segments = tuple(matrix(draw(st.integers(1, 4))) for _ in range(k)) if has_segments else ()
    frames = matrix(n_frames) if n_frames else None
    return TrackEmbeddings(matrix(k), 12, segments, frames, draw(st.integers(0, 11)))


@given(embeddings())
def test_embeddings_come_back_from_their_row_with_every_level(found):
    back = unpack_sequences(pack_sequences(found))
    np.testing.assert_allclose(back.track, found.track, atol=1 / 250)
    assert len(back.segments) == len(found.segments)
    for a, b in zip(back.segments, found.segments, strict=True):
        np.testing.assert_allclose(a, b, atol=1 / 250)
    assert (back.frames is None) == (found.frames is None)
    if found.frames is not None:
        np.testing.assert_allclose(back.frames, found.frames, atol=1 / 250)
    assert (back.n_transpositions, back.semitones) == (12, found.semitones)


def test_a_row_has_the_columns_of_its_table():
    (found, *_), _ = works(1)
    identity = {"recording_id", "model_id", "parameters_id", "sha256"}
    assert set(pack_sequences(found)) | identity == set(SEQUENCE_EMBEDDINGS.column_names)
