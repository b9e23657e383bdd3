"""Synthetic versions: how different they are, nuisance by nuisance, and how fast they are made.

python -m benchmarks.versions                                   # on songs composed here
python -m benchmarks.versions --songs POP909 --fonts all        # on your songs, played by fluidsynth too
python -m benchmarks.versions --manifest covers.csv --audio-root covers   # tempo, key, length of real pairs
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import network_distances, some_songs
from covers.audio import extract
from covers.audio.features import compute, fold, parameters
from covers.evaluation.bootstrap import bootstrap
from covers.evaluation.metrics import per_query
from covers.retrieval.baselines import fourier2d, qmax
from covers.synthesis import soundfont, symbolic_features
from covers.synthesis.arrange import arrange
from covers.synthesis.song import Song
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import NUISANCES, VersionSpec, keep_nuisances, sample_spec

MAX_PHRASES = 10
CHROMA = parameters("chroma")


def symbolic_chroma(song: Song, spec: VersionSpec) -> np.ndarray:
    return fold(symbolic_features.compute_log_frequency(arrange(song, spec), spec))


def rendered_chroma(song: Song, spec: VersionSpec) -> np.ndarray:
    return compute([render(arrange(song, spec), spec)], CHROMA)


SYSTEMS: dict[str, Callable[[list[np.ndarray]], np.ndarray]] = {
    "2-D Fourier": fourier2d.distances, "Qmax": qmax.distances,
    "covernet": network_distances,
}  # fmt: skip


def nuisance_table(songs: list[Song], n_versions: int, fonts: tuple[str, ...]) -> Grid:
    """Evaluate every system on versions that differ in one nuisance alone, and in all."""
    grid = Grid("versions differ in", *[f"{s}: MAP" for s in SYSTEMS], "triplet accuracy")
    works = np.repeat([s.song_id for s in songs], n_versions)
    drawn = [
        (song, sample_spec(song, v, max_phrases=MAX_PHRASES, soundfonts=fonts))
        for song in songs
        for v in range(n_versions)
    ]
    kinds = {**{name: (name,) for name in NUISANCES}, "all of them": tuple(NUISANCES)}
    make = rendered_chroma if fonts else symbolic_chroma
    for title, names in kinds.items():
        chromas = [make(song, keep_nuisances(spec, *names)) for song, spec in drawn]
        found = {s: per_query(of(chromas), works) for s, of in SYSTEMS.items()}
        maps = [bootstrap(j["map"], works, seed=1) for j in found.values()]
        accuracies = " / ".join(f"{j['triplet_accuracy'].mean():.3f}" for j in found.values())
        grid.add_row(
            title, *[f"{m.value:.3f} ({m.low:.2f}-{m.high:.2f})" for m in maps], accuracies
        )
    return grid


def speed_table(songs: list[Song], fonts: tuple[str, ...]) -> Grid:
    """Time the making of versions on one core: as symbolic chroma, as audio, and by each soundfont."""
    grid = Grid("form", "versions a minute and core", "x real time")
    symbolic_features.measure_responses()  # once a process, not once a version
    ways: dict[str, tuple[Callable[[Song, VersionSpec], np.ndarray], tuple[str, ...]]] = {
        "symbolic, chroma": (symbolic_chroma, ()),
        "audio, own synthesiser": (lambda song, spec: render(arrange(song, spec), spec), ()),
    }
    for font in fonts:
        ways[f"audio, {font}"] = (lambda song, spec: render(arrange(song, spec), spec), (font,))
    for title, (make, its_fonts) in ways.items():
        specs = [
            (s, sample_spec(s, 1, max_phrases=MAX_PHRASES, soundfonts=its_fonts)) for s in songs
        ]
        seconds = sum(arrange(song, spec).duration_s for song, spec in specs)
        started = time.perf_counter()
        for song, spec in specs:
            make(song, spec)
        took = time.perf_counter() - started
        grid.add_row(title, f"{60 * len(specs) / took:.0f}", f"{seconds / took:.0f}")
    return grid


def version_differences(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Grid:
    """Measure how two versions of a work differ, from the spans where they match best."""
    slopes, keys, lengths = [], [], []
    for a, b in pairs:
        span_a, span_b, semitones = qmax.matching_spans(qmax.fold_frames(a), qmax.fold_frames(b))
        slopes.append(abs(np.log2((span_a[1] - span_a[0]) / (span_b[1] - span_b[0]))))
        keys.append(min(semitones, 12 - semitones))
        lengths.append(abs(np.log2(a.shape[1] / b.shape[1])))
    grid = Grid("of two versions of a work", "10%", "50%", "90%")
    rows = {
        "ratio of tempi": 2 ** np.array(slopes), "transposition, semitones": np.array(keys),
        "ratio of lengths": 2 ** np.array(lengths),
    }  # fmt: skip
    for title, values in rows.items():
        grid.add_row(title, *[f"{q:.2f}" for q in np.quantile(values, [0.1, 0.5, 0.9])])
    grid.caption = f"{len(slopes)} pairs"
    return grid


def real_pairs(manifest: str, root: str) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    with open(manifest, newline="") as file:
        rows = [(r["work_id"], str(Path(root) / r["path"])) for r in csv.DictReader(file)]
    works = [work for work, _ in rows]
    chromas = {p: extract.compute_tensor(p, CHROMA) for work, p in rows if works.count(work) > 1}
    for (work, a), (other, b) in combinations(rows, 2):
        if work == other:
            yield chromas[a], chromas[b]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--songs", metavar="FOLDER", help="POP909 or MIDI files (default: composed)"
    )
    parser.add_argument("--n-songs", type=int, default=40, metavar="N", help="default: %(default)s")
    parser.add_argument("--versions", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--fonts", nargs="+", default=[], metavar="FONT", help="render by these soundfonts"
    )
    parser.add_argument(
        "--manifest", metavar="CSV", help="measure the pairs of these recordings only"
    )
    parser.add_argument("--audio-root", default=".", metavar="FOLDER")
    args = parser.parse_args()
    console = Console(width=130)
    if args.manifest:
        console.print(version_differences(real_pairs(args.manifest, args.audio_root)))
        return
    songs = some_songs(args.songs, args.n_songs)
    fonts = soundfont.check_soundfonts(args.fonts)
    console.print(nuisance_table(songs, args.versions, fonts))
    made = [
        [symbolic_chroma(s, sample_spec(s, v, max_phrases=MAX_PHRASES)) for v in range(2)]
        for s in songs
    ]
    console.print(version_differences(made))
    console.print(speed_table(songs[:10], fonts))


if __name__ == "__main__":
    main()
