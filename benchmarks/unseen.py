"""Evaluate weights on works that no training had and whose versions people made, not our code alone.

m21/bin/python benchmarks/corpus_notes.py > notes.json      # see there: music21 in its own environment
python -m benchmarks.unseen sets --notes notes.json --out unseen
python -m benchmarks.unseen evaluate --sets unseen shipped one.safetensors other.safetensors
python -m benchmarks.unseen calibrate --sets unseen one.safetensors     # the lines for its card

Five sets, written as chroma: works composed here (rendered by the project's synthesiser), tunes that two
or more old collections print, chorale melodies that Bach harmonised more than once (both played by
fluidsynth, with instruments, tempo and key drawn by the seed), and songs of two tunes each, recorded by a
band with a singer (`sung`): of two prints, as different as training versions are, and of one print, as
similar as most covers are. They guard a choice made on real recordings: weights that lose here have
learnt one kind of music.
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
from benchmarks.measure import CORES, SILENCE, complete_soundfonts, embed_chromas
from covers.audio.features import compute, parameters
from covers.evaluation import systems
from covers.evaluation.bootstrap import Interval, paired_difference
from covers.evaluation.metrics import per_query, queries
from covers.models.card import Calibration
from covers.models.model import EmbeddingModel, load_stand_alone
from covers.retrieval import calibration, pairs
from covers.retrieval.baselines import fourier2d, qmax
from covers.retrieval.scoring import Scores
from covers.synthesis import corpus, soundfont
from covers.synthesis.arrange import Score, arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import PROGRAMS, VersionSpec, sample_spec

SETS = ("demo", "tunes", "chorales", "bands", "alike")
N_GRAM = 4  # successive steps of a melody
TUNES = (0.08, 0.85)  # share of n-grams that two prints of a tune share: no other tune, no copy
CHORALES = 0.4  # the least that two harmonisations of a melody share in the soprano
COPIED = 0.6  # the most in the bass
N_DEMO, N_TUNES, N_CHORALES, MOST = 48, 90, 60, 3  # works, and recordings of a work
CHROMA = parameters("chroma")
BASELINES = {"qmax": qmax, "fourier2d": fourier2d}
console = Console(width=120, highlight=False)


@dataclass(frozen=True)
class Piece:
    """One setting of a work: its parts, the melody first; onset and duration in quarters."""

    work: str
    number: int
    parts: list[sung.Notes]


def with_ngrams(piece: dict, group: str) -> dict:
    """Return a piece with its group, and the n-grams of its highest and lowest part."""
    high, low = (np.array(piece["parts"][i]) for i in (0, -1))
    ngrams = {name: corpus.melodic_ngrams(x, N_GRAM) for name, x in (("high", high), ("low", low))}
    return piece | ngrams | {"group": group}


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Jaccard similarity of two parts' n-grams."""
    return len(np.intersect1d(a, b)) / max(len(np.union1d(a, b)), 1)


def group_works(
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


def tunes(notes: list[dict]) -> dict[str, list[dict]]:
    """Return tunes of one title from different collections that are similar and no copies."""
    found = [with_ngrams(p, p["title"]) for p in notes if p["collection"] != "bach" and p["title"]]

    def fits(a: dict, b: dict) -> bool:
        low, high = TUNES
        differ = a["collection"] != b["collection"]
        return differ and low <= jaccard(a["high"], b["high"]) <= high

    return group_works(found, fits, {})


def chorales(notes: list[dict]) -> dict[str, list[dict]]:
    """Return chorales of one melody over different basses."""
    found = [with_ngrams(p, "chorale") for p in notes if p["collection"] == "bach"]

    def fits(a: dict, b: dict) -> bool:
        same = jaccard(a["high"], b["high"]) > CHORALES
        return same and jaccard(a["low"], b["low"]) < COPIED

    return group_works(found, fits, {})


def play(piece: Piece) -> np.ndarray:
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
        piece.number, soundfont=str(rng.choice(complete_soundfonts())), programs=programs
    )
    return checked_chroma(
        soundfont.play_score(Score(parts, np.empty((0, 3)), length), spec, 16_000), spec.soundfont
    )


def checked_chroma(waveform: np.ndarray, font: str) -> np.ndarray:
    """Return the chroma of a rendered piece.

    Raises
    ------
    ValueError
        If it is silent.
    """
    if not np.abs(waveform).max(initial=0.0) > SILENCE:
        raise ValueError(f"a rendered piece must not be silent, got silence of soundfont {font!r}")
    return compute([waveform], CHROMA)


def render_composed(piece: Piece) -> np.ndarray:
    """Return the chroma of one version of a composed song."""
    song = compose(1_000 + piece.number // MOST, 0)
    spec = sample_spec(song, piece.number % MOST, max_phrases=10)
    return compute([render(arrange(song, spec), spec)], CHROMA)


def songs(notes: list[dict], *, same_print: bool) -> list[Piece]:
    """Return two recordings each of songs of two tunes: verse and chorus are a piece's parts."""
    works = tunes(notes)
    names = np.random.default_rng(6).permutation(sorted(works))
    found: list[Piece] = []
    for verse, chorus in zip(names[::2], names[1::2], strict=True):
        for place in (0, 0) if same_print else (0, 1):
            parts = [works[tune][place]["parts"][0] for tune in (verse, chorus)]
            found.append(Piece(f"{verse}+{chorus}", len(found), parts))
    return found


def record(piece: Piece, *, mild: bool) -> np.ndarray:
    """Return the chroma of a song recorded by a band, most with a singer."""
    song = sung.song_of(piece.number, piece.work, *piece.parts)
    return compute([sung.recorded(song, piece.number, mild=mild)], CHROMA)


def write_sets(notes_path: str, out: Path) -> None:
    """Write the sets: chroma of every recording, and the work it belongs to."""
    notes = json.loads(Path(notes_path).read_text())
    rng, found = np.random.default_rng(5), {}
    found["demo"] = [Piece(f"demo{i // MOST}", i, []) for i in range(N_DEMO * MOST)]
    for name, works, most in (
        ("tunes", tunes(notes), N_TUNES),
        ("chorales", chorales(notes), N_CHORALES),
    ):
        kept = sorted(rng.permutation(sorted(works))[:most])
        rows = [(work, member) for work in kept for member in works[work]]
        found[name] = [Piece(w, i, member["parts"]) for i, (w, member) in enumerate(rows)]
        console.print(f"{name}: {len(works)} works, {len(kept)} taken, {len(rows)} recordings")
    found |= {
        "bands": songs(notes, same_print=False),
        "alike": songs(notes, same_print=True),
    }
    render_piece = dict.fromkeys(SETS, play) | {
        "demo": render_composed,
        "bands": partial(record, mild=False),
        "alike": partial(record, mild=True),
    }
    out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(CORES) as pool:
        for name, pieces in found.items():
            rendered = pool.map(render_piece[name], pieces, chunksize=4)
            chromas = list(track(rendered, name, len(pieces), console=console))
            arrays = {f"x{i:04d}": x for i, x in enumerate(chromas)}
            np.savez(out / f"{name}.npz", works=np.array([p.work for p in pieces]), **arrays)


def read_sets(folder: Path) -> dict[str, tuple[list[np.ndarray], np.ndarray]]:
    """Return, of every set, the chroma of its recordings and their works."""
    found = {}
    for name in SETS:
        with np.load(folder / f"{name}.npz") as stored:
            chromas = [stored[key] for key in sorted(stored.files) if key != "works"]
            found[name] = chromas, stored["works"]
    return found


@dataclass(frozen=True)
class Ranked:
    """Distances of a search and of all pairs, (n, n), and the first stage's coverage by K."""

    search: np.ndarray
    exhaustive: np.ndarray
    coverage: dict[int, float]


def rank(name: str, chromas: list[np.ndarray], works: np.ndarray) -> Ranked:
    """Return what a model (a file, shipped, untrained) or a baseline (qmax, fourier2d) ranks.

    A baseline has one system, all pairs with S-norm.
    """
    if name in BASELINES:
        distances = pairs.s_normalize(BASELINES[name].distances(chromas))
        return Ranked(distances, distances, {})
    model = load_stand_alone(name)
    embeddings = embed_chromas(chromas, model)
    similarities = systems.compare_pairs(embeddings)
    found = systems.search_all(model, embeddings, works, similarities)
    return Ranked(found.distances, systems.exhaustive(similarities), dict(found.coverage))


def evaluate(folder: Path, models: list[str]) -> None:
    """Print every model's MAP on every set, its lead on the first model, and its coverage."""
    grid = Grid(
        "MAP of search / exhaustive", *SETS, "mean", "search: lead on the first (95% interval)"
    )
    shares = Grid(f"coverage at {', '.join(map(str, systems.COVERAGE_AT))}", *SETS)
    sets, first = read_sets(folder), None
    for model in models:
        maps, per_set, works_of, coverage = [], [], [], []
        for name, (chromas, works) in sets.items():
            ranked = rank(model, chromas, works)
            own, exhaustive = (
                per_query(d, works)["map"] for d in (ranked.search, ranked.exhaustive)
            )
            maps.append((float(own.mean()), float(exhaustive.mean())))
            coverage.append(" ".join(f"{share:.3f}" for share in ranked.coverage.values()))
            per_set.append(own / len(own))  # every set counts the same
            works_of.append(np.char.add(f"{name} ", works[queries(works)]))
        values, works_of_all = np.concatenate(per_set), np.concatenate(works_of)
        first = values if first is None else first
        scale = len(values) / len(SETS)
        lead = paired_difference(values * scale, first * scale, works_of_all, seed=1)
        cells = [f"{a:.3f} / {b:.3f}" for a, b in (*maps, tuple(np.mean(maps, axis=0)))]
        grid.add_row(Path(model).name, *cells, interval_text(lead))
        shares.add_row(Path(model).name, *coverage)
    console.print(grid)
    console.print(shares)


def interval_text(lead: Interval) -> str:
    return f"{lead.value:+.3f} ({lead.low:+.3f} to {lead.high:+.3f})"


def candidate_scores(
    model: EmbeddingModel, chromas: list[np.ndarray], works: np.ndarray
) -> tuple[Scores, np.ndarray | None, np.ndarray]:
    """Return what a search computes of every pair of query and candidate.

    Returns
    -------
    Scores
        (n_pairs,) each, one query after the other; alignments normalised.
    np.ndarray or None
        (n_pairs,) raw alignments, which a search without a cohort has.
    np.ndarray
        (n_pairs,) whether the two are covers.
    """
    embeddings = embed_chromas(chromas, model)
    similarities = systems.compare_pairs(embeddings)
    references = systems.reference_set(model, embeddings, similarities)
    found, raw, is_cover = [], [], []
    for query, own in enumerate(embeddings):
        rows = references.candidates(own, exclude=query).rows
        found.append(references.score(own, rows, exclude=query).scores)
        raw.append(similarities.select(query, rows).alignment)
        is_cover.append(works[rows] == works[query])
    scores = Scores(
        np.concatenate([s.distance for s in found]),
        _concatenate([s.s_norm for s in found]),
        _concatenate([s.alignment for s in found]),
    )
    return scores, _concatenate(raw), np.concatenate(is_cover)


def _concatenate(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    present = [x for x in arrays if x is not None]
    return np.concatenate(present) if len(present) == len(arrays) else None


def inputs_of(
    scores: Scores, raw_alignment: np.ndarray | None
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return what each kind of calibration line takes: scores, and alignments or None."""
    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {"distance": (scores.distance, None)}
    if scores.s_norm is not None:
        found["s_norm"] = (scores.s_norm, None)
    if raw_alignment is not None:
        found["distance_alignment"] = (scores.distance, raw_alignment)
    if scores.s_norm is not None and scores.alignment is not None:
        found["fused"] = (scores.fused, None)
    return found


def calibrate(folder: Path, models: list[str]) -> None:
    """Print each model's calibration lines, of every kind, fitted on the composed works."""
    sets = read_sets(folder)
    for name in models:
        model = load_stand_alone(name).with_card(calibration={})
        inputs, is_cover = {}, {}
        for set_name, (chromas, works) in sets.items():
            scores, raw, is_cover[set_name] = candidate_scores(model, chromas, works)
            inputs[set_name] = inputs_of(scores, raw)
        lines: dict[str, Calibration] = {}
        for kind in calibration.KINDS:
            if not all(kind in of_set for of_set in inputs.values()):
                continue  # the model has no frames, or a set is smaller than a cohort
            values, aligned = inputs["demo"][kind]
            line = lines[kind] = calibration.fit(values, is_cover["demo"], aligned)
            for set_name, of_set in inputs.items():
                values, aligned = of_set[kind]
                odds = line.log_odds(values, 0.0 if aligned is None else aligned)
                console.print(f"{kind}, {set_name}: {rates_text(odds, is_cover[set_name])}")
        card = model.with_card(calibration=lines).card.to_dict()["calibration"]
        console.print_json(json.dumps({"model": name, "calibration": card}))


def rates_text(log_odds: np.ndarray, is_cover: np.ndarray) -> str:
    """Return recall, false-positive rate and Brier score at even odds; both classes weigh the same."""
    predicted = calibration.probability(log_odds)
    weight = np.where(is_cover, 0.5 / is_cover.sum(), 0.5 / (~is_cover).sum())
    brier = brier_score_loss(is_cover, predicted, sample_weight=weight)
    called = predicted >= calibration.EVEN
    return (
        f"recall {called[is_cover].mean():.1%}, false-positive rate {called[~is_cover].mean():.1%}, "
        f"Brier score {brier:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sets = commands.add_parser("sets", help="write the sets")
    sets.add_argument("--notes", required=True, metavar="JSON", help="output of corpus_notes.py")
    sets.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    for name, action, text in (
        ("evaluate", evaluate, "MAP of search and of all pairs, coverage of the first stage"),
        ("calibrate", calibrate, "fit the lines to probabilities"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--sets", required=True, type=Path, metavar="FOLDER")
        models = "a file, shipped, untrained" + (
            ", qmax or fourier2d" if action is evaluate else ""
        )
        command.add_argument("models", nargs="+", metavar="MODEL", help=models)
        command.set_defaults(action=action)
    args = parser.parse_args()
    if args.command == "sets":
        write_sets(args.notes, args.out)
    else:
        args.action(args.sets, args.models)


if __name__ == "__main__":
    main()
