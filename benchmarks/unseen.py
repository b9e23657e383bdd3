"""Judge weights on works that no training saw and that people, not our code, made unlike.

m21/bin/python benchmarks/corpus_notes.py > notes.json      # see there: music21 in its own environment
python -m benchmarks.unseen sets --notes notes.json --out unseen
python -m benchmarks.unseen judge --sets unseen shipped one.safetensors other.safetensors
python -m benchmarks.unseen calibrate --sets unseen one.safetensors     # the lines for its card

Five sets, written as chroma: works composed here (rendered by the project's synthesiser), tunes that two
or more old collections print, chorale melodies that Bach harmonised more than once (both played by
fluidsynth, with instruments, tempo and key drawn by the seed), and songs of two tunes each, recorded by a
band with a singer (`sung`): of two prints, as unlike as versions to train on are, and of one print, as alike
as most covers are. New weights are shipped by the mean of MAP over the five, hubs corrected; covers80_dev
has no part in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table as Grid
from sklearn.metrics import brier_score_loss

from benchmarks import sung
from benchmarks.measure import CORES, network_distances
from covers.audio.features import compute, parameters
from covers.evaluation.bootstrap import Interval, paired_difference
from covers.evaluation.metrics import per_query, queries
from covers.models import registry
from covers.retrieval import alignment, calibration, scoring
from covers.retrieval.baselines import fourier2d, qmax
from covers.retrieval.hearing import hear_query
from covers.synthesis import corpus, soundfont
from covers.synthesis.arrange import Score, arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import PROGRAMS, VersionSpec, sample_spec

SETS = ("demo", "tunes", "chorales", "bands", "alike")
FIGURE = 4  # successive steps of a melody
TUNES = (0.08, 0.85)  # share of figures that two prints of a tune share: no other one, no copy
CHORALES = 0.4  # the least that two harmonisations of a melody share in the soprano
COPIED = 0.6  # the most in the bass
N_DEMO, N_TUNES, N_CHORALES, MOST = 48, 90, 60, 3  # works, and recordings of a work
CHROMA = parameters("chroma")
console = Console(width=120, highlight=False)


@dataclass(frozen=True)
class Piece:
    """One setting of a work: its parts, the melody first; onset and duration in quarters."""

    work: str
    number: int
    parts: list[sung.Notes]


def figured(piece: dict, group: str) -> dict:
    """Return a piece with its group, and the figures of its highest and lowest part."""
    high, low = (np.array(piece["parts"][i]) for i in (0, -1))
    told = {name: corpus.melodic_ngrams(x, FIGURE) for name, x in (("high", high), ("low", low))}
    return piece | told | {"group": group}


def shared(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Jaccard similarity of two parts' figures."""
    return len(np.intersect1d(a, b)) / max(len(np.union1d(a, b)), 1)


def grouped(
    pieces: list[dict], fits: Callable[[dict, dict], bool], works: dict[str, list[dict]]
) -> dict[str, list[dict]]:
    """Return works of `pieces`: each joins the first work of its own group that it fits all of."""
    for piece in pieces:
        group = piece["group"]
        for name, members in works.items():
            if name.split("#")[0] == group and all(fits(piece, m) for m in members):
                members.append(piece)
                break
        else:
            works[f"{group}#{len(works)}"] = [piece]
    return {name: members[:MOST] for name, members in works.items() if len(members) > 1}


def tunes(told: list[dict]) -> dict[str, list[dict]]:
    """Return tunes of one title from different collections that are alike and no copies."""
    found = [figured(p, p["title"]) for p in told if p["collection"] != "bach" and p["title"]]

    def fits(a: dict, b: dict) -> bool:
        low, high = TUNES
        differ = a["collection"] != b["collection"]
        return differ and low <= shared(a["high"], b["high"]) <= high

    return grouped(found, fits, {})


def chorales(told: list[dict]) -> dict[str, list[dict]]:
    """Return chorales of one melody over different basses."""
    found = [figured(p, "chorale") for p in told if p["collection"] == "bach"]

    def fits(a: dict, b: dict) -> bool:
        same = shared(a["high"], b["high"]) > CHORALES
        return same and shared(a["low"], b["low"]) < COPIED

    return grouped(found, fits, {})


def played(piece: Piece) -> np.ndarray:
    """Return the chroma of a piece with instruments, tempo and key drawn by its place in the set."""
    rng = np.random.default_rng([7, piece.number])
    beat = 60 / rng.uniform(75, 150)
    shift, names = int(rng.integers(-6, 7)), list(PROGRAMS)
    parts, programs = {}, {}
    for number, notes in enumerate(piece.parts):
        name = f"part {number}"
        onset, duration, pitch = np.array(notes).T
        velocity = np.full(len(onset), rng.uniform(0.5, 0.9))
        parts[name] = ("", np.stack([onset * beat, duration * beat, pitch + shift, velocity], 1))
        programs[name] = int(rng.choice(PROGRAMS[names[int(rng.integers(len(names)))]]))
    length = max(float((n[:, 0] + n[:, 1]).max()) for _, n in parts.values()) + 1
    spec = VersionSpec(
        piece.number, soundfont=str(rng.choice(soundfont.installed_soundfonts())), programs=programs
    )
    return compute(
        [soundfont.play_score(Score(parts, np.empty((0, 3)), length), spec, 16_000)], CHROMA
    )


def composed(piece: Piece) -> np.ndarray:
    """Return the chroma of one version of a composed song."""
    song = compose(1_000 + piece.number // MOST, 0)
    spec = sample_spec(song, piece.number % MOST, max_phrases=10)
    return compute([render(arrange(song, spec), spec)], CHROMA)


def songs(told: list[dict], *, alike: bool) -> list[Piece]:
    """Return two recordings each of songs of two tunes: verse and chorus are a piece's parts."""
    works = tunes(told)
    names = np.random.default_rng(6).permutation(sorted(works))
    found: list[Piece] = []
    for verse, chorus in zip(names[::2], names[1::2], strict=True):
        for place in (0, 0) if alike else (0, 1):
            parts = [works[tune][place]["parts"][0] for tune in (verse, chorus)]
            found.append(Piece(f"{verse}+{chorus}", len(found), parts))
    return found


def recorded(piece: Piece, *, mild: bool) -> np.ndarray:
    """Return the chroma of a song recorded by a band, most with a singer."""
    song = sung.song_of(piece.number, piece.work, *piece.parts)
    return compute([sung.recorded(song, piece.number, mild=mild)], CHROMA)


def write(notes: str, out: Path) -> None:
    """Write the sets: chroma of every recording, and the work it belongs to."""
    told = json.loads(Path(notes).read_text())
    rng, found = np.random.default_rng(5), {}
    found["demo"] = [Piece(f"demo{i // MOST}", i, []) for i in range(N_DEMO * MOST)]
    for name, works, most in (
        ("tunes", tunes(told), N_TUNES),
        ("chorales", chorales(told), N_CHORALES),
    ):
        kept = sorted(rng.permutation(sorted(works))[:most])
        rows = [(work, member) for work in kept for member in works[work]]
        found[name] = [Piece(w, i, member["parts"]) for i, (w, member) in enumerate(rows)]
        console.print(f"{name}: {len(works)} works, {len(kept)} taken, {len(rows)} recordings")
    found |= {"bands": songs(told, alike=False), "alike": songs(told, alike=True)}
    how = dict.fromkeys(SETS, played) | {
        "demo": composed,
        "bands": partial(recorded, mild=False),
        "alike": partial(recorded, mild=True),
    }
    out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(CORES) as pool:
        for name, pieces in found.items():
            made = pool.map(how[name], pieces, chunksize=4)
            chromas = list(track(made, name, len(pieces), console=console))
            arrays = {f"x{i:04d}": x for i, x in enumerate(chromas)}
            np.savez(out / f"{name}.npz", works=np.array([p.work for p in pieces]), **arrays)


def read(folder: Path) -> dict[str, tuple[list[np.ndarray], np.ndarray]]:
    """Return, of every set, the chroma of its recordings and their works."""
    found = {}
    for name in SETS:
        with np.load(folder / f"{name}.npz") as held:
            chromas = [held[key] for key in sorted(held.files) if key != "works"]
            found[name] = chromas, held["works"]
    return found


def distances_of(model: str, chromas: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return distances: ``model`` aligned and hubs corrected, ``model_plain`` neither (`network_distances`).

    ``model``: a network (a file, shipped, untrained) or a rival (qmax, fourier2d).
    """
    if model in ("qmax", "fourier2d"):
        plain = {"qmax": qmax, "fourier2d": fourier2d}[model].distances(chromas)
        return {"model": scoring.s_normalized(plain), "model_plain": plain}
    return network_distances(chromas, model)


def judge(folder: Path, models: list[str]) -> None:
    """Print MAP of every model on every set, and each model's lead on the first."""
    grid = Grid(
        "MAP, not aligned nor corrected / both", *SETS, "mean", "lead on the first (95% interval)"
    )
    sets, first = read(folder), None
    for model in models:
        plain, corrected, per_set, works_of = [], [], [], []
        for name, (chromas, works) in sets.items():
            distances = distances_of(model, chromas)
            plain.append(float(per_query(distances["model_plain"], works)["map"].mean()))
            of_queries = per_query(distances["model"], works)["map"]
            corrected.append(float(of_queries.mean()))
            per_set.append(of_queries / len(of_queries))  # every set has one voice
            works_of.append(np.char.add(f"{name} ", works[queries(works)]))
        mine, works_of_all = np.concatenate(per_set), np.concatenate(works_of)
        first = mine if first is None else first
        scale = len(mine) / len(SETS)
        lead = paired_difference(mine * scale, first * scale, works_of_all, seed=1)
        cells = [f"{p:.3f} / {c:.3f}" for p, c in zip(plain, corrected, strict=True)]
        mean = f"{np.mean(plain):.3f} / {np.mean(corrected):.3f}"
        grid.add_row(Path(model).name, *cells, mean, _told(lead))
    console.print(grid)


def _told(lead: Interval) -> str:
    return f"{lead.value:+.3f} ({lead.low:+.3f} to {lead.high:+.3f})"


def calibrate(folder: Path, models: list[str]) -> None:
    """Print each model's lines to probability, of every kind, fitted on the composed works."""
    sets = read(folder)
    for model in models:
        network, told = registry.resolve(None, model), {}
        for name, (chromas, _) in sets.items():
            heard = [hear_query(network, x, CHROMA.frames_per_second) for x in chromas]
            wholes, n_transpositions = np.stack([x.wholes for x in heard]), network.n_transpositions
            told[name] = {
                "distance": scoring.of_embeddings(wholes, n_transpositions),
                "s_norm": scoring.as_searched(wholes, n_transpositions),
            }
            if network.frame_s:
                told[name]["alignment"] = -alignment.distances(heard, n_transpositions)
        lines = {}
        for kind in calibration.KINDS:
            measure, *aligned = kind.split(" and ")
            if aligned and not network.frame_s:
                continue
            found = {
                name: (of_set[measure], of_set["alignment"] if aligned else None)
                for name, of_set in told.items()
            }
            distances, scores = found["demo"]
            line = lines[kind] = calibration.fit(distances, sets["demo"][1], scores)
            for name, (distances, scores) in found.items():
                odds = line.log_odds(distances, 0.0 if scores is None else scores)
                console.print(f"{kind}, {name}: {_called(odds, sets[name][1])}")
        card = {"calibration": {kind: line.to_dict() for kind, line in lines.items()}}
        console.print_json(json.dumps({"model": model} | card))


def _called(log_odds: np.ndarray, works: np.ndarray) -> str:
    i, j = np.triu_indices(len(works), 1)
    said, same = calibration.probability(log_odds[i, j]), works[i] == works[j]
    weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    brier, called = brier_score_loss(same, said, sample_weight=weight), said >= calibration.EVEN
    return (
        f"{called[same].mean():.0%} of covers called so, and {called[~same].mean():.0%} of others; "
        f"Brier score {brier:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    of_sets = kinds.add_parser("sets", help="write the sets")
    of_sets.add_argument("--notes", required=True, metavar="JSON", help="what corpus_notes.py told")
    of_sets.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    for kind, does in (("judge", "judge weights on them"), ("calibrate", "fit probabilities")):
        of_kind = kinds.add_parser(kind, help=does)
        of_kind.add_argument("--sets", required=True, type=Path, metavar="FOLDER")
        of_kind.add_argument(
            "models",
            nargs="+",
            metavar="MODEL",
            help="a file, shipped, untrained, qmax or fourier2d",
        )
    args = parser.parse_args()
    if args.kind == "sets":
        write(args.notes, args.out)
    else:
        {"judge": judge, "calibrate": calibrate}[args.kind](args.sets, args.models)


if __name__ == "__main__":
    main()
