"""What the golden test compares: fixed synthetic recordings, and all that the shipped model makes of them.

``python -m tests.golden.made`` writes golden.json anew (after a change of an answer that was meant).
"""

import json
from pathlib import Path

import numpy as np
import soundfile as sf

from covers.audio.features import fold
from covers.evaluation import metrics, systems
from covers.evaluation.systems import EvaluationSet
from covers.models.model import load_pretrained
from covers.retrieval.embedding import extract_embeddings
from covers.synthesis import symbolic_features
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import sample_spec

GOLDEN = Path(__file__).with_name("golden.json")
SEED = 20261127
WORKS, VERSIONS, OTHERS = 4, 3, 24  # the others are what a search's scores are normalised by


def version(number, v):
    """Return a composed song and the spec of its version."""
    song = compose(number, SEED)
    return song, sample_spec(song, SEED + v, max_phrases=3)


def chroma(number, v):
    song, spec = version(number, v)
    return fold(symbolic_features.compute_log_frequency(arrange(song, spec), spec))


def dozen():
    """Return (recording_id, work_id, chroma) of a dozen recordings."""
    pairs = [(n, v) for n in range(WORKS) for v in range(VERSIONS)]
    return [(f"w{n}-v{v}", f"w{n}", chroma(n, v)) for n, v in pairs]


def others():
    """Return the same of recordings that are each alone with their work."""
    return [(f"w{n}-v0", f"w{n}", chroma(n, 0)) for n in range(WORKS, WORKS + OTHERS)]


def write_audio(folder, number, v):
    """Render a version as WAV; return its path."""
    song, spec = version(number, v)
    path = folder / f"w{number}-v{v}.wav"
    sf.write(path, render(arrange(song, spec), spec), 16_000)
    return str(path)


def evaluated(recordings):
    """Return embeddings, distances and MAP, as golden.json has them."""
    model = load_pretrained()
    ids, works, chromas = (list(x) for x in zip(*recordings, strict=True))
    embeddings = [extract_embeddings(model, x, 4.0) for x in chromas]
    data = EvaluationSet(
        "golden", ids, ids, np.array(works), chromas, {"model": model}, {"model": embeddings}
    )
    distances, _ = systems.compare_systems(data)
    upper = np.triu_indices(len(ids), 1)
    return {
        "embeddings": {i: x.track[0][::240].tolist() for i, x in zip(ids, embeddings, strict=True)},
        "distances": {name: d[upper].tolist() for name, d in distances.items()},
        "map": {
            name: float(metrics.per_query(d, data.works)["map"].mean())
            for name, d in distances.items()
        },
    }


def load():
    return json.loads(GOLDEN.read_text())


def write(**found):
    """Replace what is recorded under these names."""
    kept = load() if GOLDEN.exists() else {}
    GOLDEN.write_text(json.dumps(kept | found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write(**evaluated(dozen()))
