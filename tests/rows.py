"""Rows of tables that several tests need."""

from lib.audio import tensors


def spectrogram_row(recording_id, tensor):
    """A row of `spectrograms` that holds this chroma, four frames a second."""
    data, scale, offset = tensors.pack(tensor)
    return (
        recording_id, "chroma", "p", 0, "{}", "0" * 64, 0.0, tensor.shape[1] / 4.0, 4.0,
        [int(n) for n in tensor.shape], "uint8", scale, offset, data,
    )  # fmt: skip
