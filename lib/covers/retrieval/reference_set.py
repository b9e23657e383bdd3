"""What the lake knows of the recordings that a model has embedded: the nearest, how far, how sure.

*Conventions.* Distance is that of `covers.models.similarity`: 0 to 2. In a lake of 30 recordings and more the
nearest are ordered by its deviation from what is usual there (`covers.retrieval.score_norm`). The probability of
being a cover is `covers.retrieval.calibration`'s: the model's card has it, else it is fitted on the lake's
validation works. Without either there is the share of random pairs of the lake that are nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from covers.errors import InputError
from covers.io.delta_reader import read_rows
from covers.io.lake import Lake
from covers.models.registry import Network
from covers.retrieval import calibration, score_norm, scoring
from covers.retrieval import index as nearest
from covers.retrieval.calibration import Calibration
from covers.retrieval.score_norm import Usual
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS

_MIN_WORKS = 5
_ORDERED, _ORDERED_BY_INDEX = 100, 20  # nearest that are put in order by their deviations


@dataclass(frozen=True)
class Known:
    """What the lake knows of the recordings that a model has embedded: rows and vectors in one order."""

    network: Network
    ids: np.ndarray  # (n,)
    vectors: np.ndarray  # (n, d)
    about: dict[str, tuple[str, ...]]  # by id: title, artist, work, split

    @property
    def corrects(self) -> bool:
        """Whether there are enough recordings to tell what distances are usual."""
        return len(self.ids) >= score_norm.LEAST

    @cached_property
    def sample(self) -> np.ndarray:
        """Rows of recordings drawn at random: the cohort."""
        return np.random.default_rng(0).permutation(len(self.ids))[: score_norm.MOST]

    def usual(self, queries: Sequence[np.ndarray]) -> Usual:
        """Return what distances to the cohort are usual for each query (k, d)."""
        vectors, n_transpositions = self.vectors[self.sample], self.network.n_transpositions
        to_cohort = [nearest.distances_to(x, vectors, n_transpositions) for x in queries]
        return score_norm.usual(score_norm.without_copies(np.stack(to_cohort)))

    def apart(self, rows: np.ndarray) -> np.ndarray:
        """Return how far these recordings are from one another, (n, n): deviations, else distances."""
        d = scoring.of_embeddings(self.vectors[rows], self.network.n_transpositions)
        if not self.corrects:
            return d
        known = self.usual(self.vectors[rows][:, None])
        return score_norm.deviations(d, known, known)

    @cached_property
    def others(self) -> np.ndarray:
        """How far random pairs of the sample are apart: what "not a cover" looks like."""
        return self.apart(self.sample)[np.triu_indices(len(self.sample), 1)]

    @property
    def kind(self) -> str:
        """What recordings are ordered by, before they are aligned."""
        return "s_norm" if self.corrects else "distance"

    @cached_property
    def calibration(self) -> Calibration | None:
        """What turns `apart` into odds, or None where nothing is known to fit it on."""
        if said := calibration.of_card(self.network.config, self.kind):
            return said
        works = np.array([self.about[i][2] for i in self.ids])
        held = [self.about[i][3] == "validation" and self.about[i][2] != "" for i in self.ids]
        rows = np.flatnonzero(held)[: score_norm.MOST]
        _, counts = np.unique(works[rows], return_counts=True)
        if (counts > 1).sum() >= _MIN_WORKS:
            return calibration.fit(self.apart(rows), works[rows])
        return None

    def log_odds(self, apart: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
        """Return the log of the odds of covers so far apart; ``scores`` of alignment, NaN where none."""
        if self.calibration is None:
            return None
        odds = self.calibration.log_odds(apart)
        if line := calibration.of_card(self.network.config, f"{self.kind}_alignment"):
            odds = np.where(np.isnan(scores), odds, line.log_odds(apart, scores))
        return odds

    @cached_property
    def keys(self) -> np.ndarray:
        """What an index knows the embeddings by."""
        return nearest.keys_of(self.ids, self.vectors)

    def nearest(
        self, query: np.ndarray, k: int, index: nearest.Index | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (rows, distances, how far apart) of the best k, best first: exact, or by the index."""
        n_transpositions = self.network.n_transpositions
        if index is not None:
            many = max(k, _ORDERED_BY_INDEX)
            rows, d = index.nearest(query, self.vectors, self.keys, n_transpositions, many)
        else:
            to_all = nearest.distances_to(query, self.vectors, n_transpositions)
            rows = np.argsort(to_all, kind="stable")[: max(k, _ORDERED)]
            d = to_all[rows]
        far = d
        if self.corrects:
            answering = self.usual(self.vectors[rows][:, None])
            far = score_norm.deviations(d[None], self.usual([query]), answering)[0]
        order = np.argsort(far, kind="stable")[:k]
        return rows[order], d[order], far[order]

    def pair(self, a: np.ndarray, b: np.ndarray, distances: np.ndarray) -> float:
        """Return how far two files (k, d) are apart; ``distances``: a asking, b asking."""
        if not self.corrects:
            return float(distances.mean())
        asking, answering = self.usual([a, b]), self.usual([b[:1], a[:1]])
        return float(np.diag(score_norm.deviations(np.diag(distances), asking, answering)).mean())

    def sure(self, apart: np.ndarray, scores: np.ndarray, n_candidates: int) -> list[dict]:
        """Return how sure each is that is so far apart, as columns of an answer."""
        if (odds := self.log_odds(apart, scores)) is None:
            if not self.ids.size:
                return [{} for _ in apart]
            return [{"random pairs nearer": f"{np.mean(self.others <= d):.2%}"} for d in apart]
        p = calibration.probability(odds, calibration.prior_among(n_candidates))
        return [{"probability": round(float(x), 4)} for x in p]


def known_to(lake: Lake, network: Network) -> Known:
    """Return what the lake knows of present recordings.

    Raises
    ------
    InputError
        If the model has embedded nothing.
    """
    known = read(lake, network)
    if not known.ids.size:
        raise InputError(
            f"embeddings must hold model {network.model_id}, got none; run embed_recordings"
        )
    return known


def read(lake: Lake, network: Network) -> Known:
    """Read the embeddings of present recordings, straight from the tables' files."""
    names = ["recording_id", "title", "artist", "work_id", "split", "state"]
    about: dict[str, tuple[str, ...]] = {}
    for batch in read_rows(lake.snapshot(RECORDINGS), names, reader="arrow"):
        for rid, *told, state in zip(*(batch[n] for n in names), strict=True):
            if state == "present":
                about[rid] = tuple("" if x is None else x for x in told)
    ids, vectors = [], []
    columns = ["recording_id", "model_id", "segment", "vector"]
    for batch in read_rows(lake.snapshot(EMBEDDINGS), columns, reader="arrow"):
        own = (batch["model_id"] == network.model_id) & (batch["segment"] == 0)
        for rid, vector in zip(batch["recording_id"][own], batch["vector"][own], strict=True):
            if rid in about:
                ids.append(rid)
                vectors.append(vector)
    return Known(network, np.array(ids), np.array(vectors, np.float32), about)


def index_of(known: Known, lake: Lake) -> nearest.Index | None:
    """Return the index kept in the lake's files, or None where exact search will do."""
    if len(known.ids) <= nearest.EXACT_UP_TO:
        return None
    uri = f"{lake.files}/index/{known.network.model_id}.npz"
    return nearest.kept(uri, known.vectors, known.keys)
