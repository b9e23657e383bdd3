"""make bench: decode, load and embed, each against the obvious alternative, in one process.

These machines are noisy: every value is the median of repeats and is given as a ratio too.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import timed
from covers.audio import quantize, sandbox
from covers.audio.extract import compute_tensor
from covers.audio.features import parameters
from covers.models import factory
from covers.retrieval.baselines import qmax
from covers.synthesis import symbolic_features
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.version_files import write_audio
from covers.synthesis.version_spec import sample_spec

SECONDS = 180


def song(folder: str) -> str:
    """Write three minutes of noise and tones as an MP3."""
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * 16_000) / 16_000
    tones = sum(np.sin(2 * np.pi * f * t) for f in (110, 220, 330, 447))
    path = Path(folder) / "song.mp3"
    soundfile.write(path, 0.1 * tones + 0.02 * rng.standard_normal(len(t)), 16_000)
    return str(path)


def librosa_mel(path: str) -> np.ndarray:
    """Return log-mel by librosa, all in memory."""
    y, _ = librosa.load(path, sr=22_050)
    mel = librosa.feature.melspectrogram(y=y, sr=22_050, n_fft=2048, hop_length=512, n_mels=128)
    return librosa.power_to_db(mel, ref=np.max)


def time_versions() -> list[tuple[str, float, str]]:
    """Time one version as symbolic features, and the same rendered, coded and decoded again."""
    tune = compose(1, 0)
    spec = sample_spec(tune, 1)
    score, p = arrange(tune, spec), parameters("log_frequency")
    symbolic_features.measure_responses()
    symbolic = timed(lambda: symbolic_features.compute_log_frequency(arrange(tune, spec), spec))
    with tempfile.TemporaryDirectory() as folder:

        def as_audio() -> None:
            row = write_audio(tune, spec, 0, Path(folder), "train")
            compute_tensor(f"{folder}/{row['path']}", p)

        rendered = timed(as_audio)
    per_minute = f"{60 / symbolic:,.0f} against {60 / rendered:,.0f} versions a minute, one core"
    return [
        (
            "a version as symbolic features",
            symbolic,
            f"{score.duration_s / symbolic:,.0f} x real time",
        ),
        ("rendered, coded, decoded", rendered, per_minute),
    ]


def main() -> None:
    torch.set_num_threads(1)
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = song(folder)
        mel, chroma = parameters("log_mel"), parameters("chroma")
        ours, theirs = timed(lambda: compute_tensor(path, mel)), timed(lambda: librosa_mel(path))
        rows.append(("log_mel of 3 min of MP3", ours, f"{theirs / ours:.1f} x librosa's speed"))
        plain = timed(lambda: compute_tensor(path, chroma))
        rows.append(("chroma of the same", plain, f"{SECONDS / plain:.0f} x real time, one core"))
        boxed = timed(lambda: sandbox.call(compute_tensor, path, chroma, limits=sandbox.Limits()))
        rows.append(("the same in the sandbox", boxed, f"{boxed / plain:.2f} of the time without"))
        tensor = compute_tensor(path, chroma)
    data, scale, offset = quantize.quantize(tensor)
    unpacked = timed(lambda: quantize.dequantize(data, tensor.shape, scale, offset))
    share = len(data) / tensor.astype(np.float32).nbytes
    rows.append(("unpack its tensor", unpacked, f"{share:.0%} of float32's size"))
    network = factory.build("covernet").eval()
    x = torch.from_numpy(tensor[None])
    with torch.no_grad():
        embedded = timed(lambda: network(x))
    frames = qmax.fold_frames(tensor)
    aligned = timed(lambda: qmax.pair_distance(frames, frames))
    rows.append(("embed it", embedded, f"{aligned / embedded:.1f} embeddings in one Qmax"))
    rows += time_versions()
    grid = Grid("what", "seconds", "beside")
    for what, seconds, beside in rows:
        grid.add_row(what, f"{seconds:.4f}", beside)
    console = Console(width=100)
    console.print(grid)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"peak memory of this process: {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
