"""Audio files to tensors and to the rows that `spectrograms` stores, without Spark.

*Conventions.* A tensor has shape (n_bins, T), float32, time last; what it holds and its units are
those of `covers.audio.features`. A row is a dict with the columns of `spectrograms`, its values
quantized by `covers.audio.quantize`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from covers.audio import decode, features, quantize, sandbox
from covers.audio.features import Parameters
from covers.errors import InputError
from covers.io import files


def decode_tensor(path: str, representation: str) -> np.ndarray:
    """Return the features of one whole audio file, decoded in a limited child process.

    Parameters
    ----------
    path : str
        Local path, or a URI that `covers.io.files` opens.
    representation : str
        ``log_mel``, ``log_frequency`` or ``chroma``.

    Returns
    -------
    np.ndarray, shape (n_bins, T), float32
        As `covers.audio.features.compute` returns it, under the default parameters.

    Raises
    ------
    InputError
        If the file is missing or cannot be decoded within the limits of `covers.audio.sandbox`.
    """
    with files.local(path) as local:
        if not Path(local).is_file():
            raise InputError(f"audio must be a file, got none there: {path!r}; check the path")
        p = features.parameters(representation)
        try:
            return sandbox.call(compute_tensor, local, p, limits=sandbox.Limits())
        except sandbox.Rejected as error:
            raise InputError(
                f"audio must be WAV, FLAC, OGG or MP3, got {path!r} ({error.reason}: {error.detail})"
            ) from error


def compute_tensor(path: str, p: Parameters) -> np.ndarray:
    """Decode one local file to its tensor, shape (n_bins, T), float32, in this process.

    Raises
    ------
    Rejected
        As `covers.audio.decode.blocks` does.
    """
    waveform = decode.blocks(path, p.sample_rate, start_s=p.start_s, duration_s=p.duration_s)
    return features.compute(waveform, p)


def parameters_id(p: Parameters) -> str:
    """Return the content hash of all parameters, prefixed by the representation."""
    return files.content_id(p.representation, p.to_dict())


def choose_parameters(ids: set[str], representation: str) -> str:
    """Return which ``parameters_id`` of a table to use: the default one, else the only one.

    Raises
    ------
    InputError
        If there is none, or several and the default for whole recordings is not among them.
    """
    default = parameters_id(features.parameters(representation))
    if default in ids:
        return default
    if len(ids) == 1:
        return next(iter(ids))
    raise InputError(
        f"spectrograms must hold {representation} under one set of parameters or under {default}, "
        f"got {sorted(ids)}; run decode_audio --representation {representation}"
    )


def pack_tensor(tensor: np.ndarray, p: Parameters) -> dict:
    """Return those columns of `spectrograms` that a tensor of shape (n_bins, T) determines."""
    data, scale, offset = quantize.quantize(tensor, levels=p.levels)
    return {
        "representation": p.representation,
        "parameters_id": parameters_id(p),
        "parameters": json.dumps(p.to_dict(), sort_keys=True),
        "frames_per_second": p.frames_per_second,
        "dtype": "uint8",
        "segment": 0,
        "start_s": p.start_s,
        "duration_s": tensor.shape[1] / p.frames_per_second,
        "shape": list(tensor.shape),
        "scale": scale,
        "offset": offset,
        "tensor": data,
    }


def extract_row(path: str, p: Parameters) -> dict:
    """Decode one local file in this process and return its columns as `pack_tensor` does."""
    return pack_tensor(compute_tensor(path, p), p)


def extract_outcome(
    recording_id: str, uri: str, sha256: str, p: Parameters, limits: sandbox.Limits
) -> dict:
    """Return the row of `spectrograms` of one file, or a row that gives the reason of a failure.

    Parameters
    ----------
    recording_id, uri, sha256 : str
        Of the recording; a file whose content has another hash is rejected as ``changed``.
    p : Parameters
        Of the features.
    limits : sandbox.Limits
        What decoding may cost.
    """
    recording: dict = {"recording_id": recording_id, "uri": uri}
    try:
        with files.local(uri) as path:
            if not Path(path).exists():
                raise sandbox.Rejected("missing", "the file is gone")
            if files.sha256_of(path) != sha256:
                raise sandbox.Rejected("changed", "not the content that ingest_recordings saw")
            row = sandbox.call(extract_row, path, p, limits=limits)
    except sandbox.Rejected as error:
        return recording | {"reason": error.reason, "detail": error.detail}
    except OSError as error:
        return recording | {"reason": "unreadable", "detail": str(error)}
    return recording | {"sha256": sha256} | row
