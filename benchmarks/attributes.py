"""How well are key, mode and tempo estimated? Versions of known truth, against librosa in one run.

python -m benchmarks.attributes --n-songs 40
python -m benchmarks.attributes --songs POP909 --fonts all
"""

from __future__ import annotations

import argparse
from collections import Counter

import librosa
import numpy as np
from rich.console import Console
from rich.table import Table as Grid
from scipy.signal import resample_poly

from benchmarks.measure import some_songs
from covers.audio import attributes
from covers.audio.features import compute, parameters
from covers.synthesis import soundfont
from covers.synthesis.arrange import arrange
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import ground_truth, sample_spec

RATE = 16_000
NEAR_MISSES = {
    (7, 0): "a fifth off",
    (5, 0): "a fifth off",
    (0, 1): "parallel",
    (9, 1): "relative",
    (3, 1): "relative",
}


def key_outcome(found: tuple[int, int], true: tuple[int, int]) -> str:
    """Name an estimate: right, a common near miss, or other.

    >>> key_outcome((9, 0), (0, 1)), key_outcome((7, 1), (0, 1))
    ('relative', 'a fifth off')
    """
    difference = (found[0] - true[0]) % 12, int(found[1] != true[1])
    if difference == (0, 0):
        return "right"
    relative = {(9, 1), (3, 1)} if difference in {(9, 1), (3, 1)} else set()
    if relative and difference != ((9, 1) if true[1] else (3, 1)):
        return "other"
    return NEAR_MISSES.get(difference, "other")


def tempo_outcome(found: float, true: float) -> str:
    for name, ratio in (
        ("right", 1),
        ("half", 0.5),
        ("double", 2),
        ("3:2 or 2:3", 1.5),
        ("3:2 or 2:3", 2 / 3),
    ):
        if abs(found / (true * ratio) - 1) < 0.04:
            return name
    return "other"


def by_librosa(waveform: np.ndarray) -> tuple[tuple[int, int], float]:
    chroma = librosa.feature.chroma_cqt(y=waveform, sr=RATE).mean(axis=1)
    return attributes.estimate_key(chroma), float(librosa.feature.tempo(y=waveform, sr=RATE)[0])


def by_ours(waveform: np.ndarray) -> tuple[tuple[int, int], float]:
    mel = parameters("log_mel")
    resampled = resample_poly(waveform, mel.sample_rate, RATE).astype(np.float32)
    chroma = compute([waveform], parameters("chroma"))
    found = attributes.estimate_attributes(compute([resampled], mel), mel.frames_per_second, chroma)
    return (found.key, found.mode), found.tempo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--songs", metavar="FOLDER", help="POP909 or MIDI files (default: composed)"
    )
    parser.add_argument("--n-songs", type=int, default=40, metavar="N", help="default: %(default)s")
    parser.add_argument("--fonts", nargs="+", default=[], metavar="FONT")
    args = parser.parse_args()
    songs = some_songs(args.songs, args.n_songs)
    fonts = soundfont.check_soundfonts(args.fonts)
    outcomes: dict[str, Counter[str]] = {}
    for song in songs:
        spec = sample_spec(song, 3, max_phrases=6, soundfonts=fonts)
        waveform, truth = render(arrange(song, spec), spec), ground_truth(song, spec)
        for who, estimate in (("ours", by_ours), ("librosa", by_librosa)):
            key, tempo = estimate(waveform)
            outcome = key_outcome(key, (int(truth["key"]), int(truth["mode"])))
            outcomes.setdefault(f"key, {who}", Counter())[outcome] += 1
            outcomes.setdefault(f"tempo, {who}", Counter())[
                tempo_outcome(tempo, truth["tempo"])
            ] += 1
    for kind in ("key", "tempo"):
        own = {title: c for title, c in outcomes.items() if title.startswith(kind)}
        names = sorted(set().union(*own.values()), key=lambda n: (n != "right", n == "other", n))
        grid = Grid(f"{len(songs)} versions", *names)
        for title, counts in own.items():
            grid.add_row(title, *[f"{counts[n] / len(songs):.2f}" for n in names])
        Console(width=110).print(grid)


if __name__ == "__main__":
    main()
