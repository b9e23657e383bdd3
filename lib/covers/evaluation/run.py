"""One evaluation: the set, the systems, rows of `evaluations`, the summary and the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyspark.sql import functions as F

from covers.evaluation import leaderboard, report, systems
from covers.evaluation.systems import EvaluationSet, SearchResult
from covers.io.lake import Lake
from covers.models.model import EmbeddingModel
from covers.retrieval import calibration, pairs
from covers.schemas.training_epochs import TRAINING_EPOCHS


@dataclass(frozen=True)
class Evaluated:
    """Rows for `evaluations`, and the summary for people and programs."""

    rows: list[tuple]
    summary: dict[str, object]


def evaluate_set(
    lake: Lake, data: EvaluationSet, *, baselines: bool, seed: int, report_path: str | None = None
) -> Evaluated:
    """Evaluate every system on a set; the model in question is the one called ``model``."""
    model = data.models["model"]
    distances, searched = systems.compare_systems(data, baselines=baselines)
    results = leaderboard.evaluate(distances, data.works, seed=seed)
    rows = leaderboard.evaluation_rows(
        results,
        evaluation_id=f"{model.model_id}/{data.name}/s{seed}",
        data_set=data.name,
        setting=_setting(model),
    )
    summary: dict[str, object] = {
        "data_set": data.name,
        "recordings": len(data.works),
        "works": len(np.unique(data.works)),
        "model": model.model_id,
        "aligned": "alignment" in distances,
        "coverage": _coverage(searched),
        "leaderboard": leaderboard.leaderboard(results),
        "differences": leaderboard.differences(distances, data.works, "search", seed=seed),
        "systems": results,
    }
    if len(data.works) > pairs.MAX_RECORDINGS:
        summary["aligned"] = f"no: more than {pairs.MAX_RECORDINGS:,} recordings"
    if report_path:
        page = _report(lake, data, distances, searched, results)
        summary["report"] = str(report.write(page, Path(report_path)))
    return Evaluated(rows, summary)


def _coverage(searched: SearchResult | None) -> list[dict[str, object]]:
    """Return the first stage's coverage as rows to print."""
    shares = searched.coverage if searched else {}
    return [{"candidates": k, "covers_among_them": round(v, 4)} for k, v in shares.items()]


def _setting(model: EmbeddingModel) -> str:
    return "clip30" if model.card.representation == "log_mel" else "whole recordings"


def _report(
    lake: Lake,
    data: EvaluationSet,
    distances: dict[str, np.ndarray],
    searched: SearchResult | None,
    results: leaderboard.Results,
) -> report.Report:
    model, works = data.models["model"], data.works
    odds, is_cover = (
        systems.candidate_pairs(searched, works) if searched else (np.empty(0), np.empty(0, bool))
    )
    return report.Report(
        title=f"Does the network find covers? {data.name}",
        question=(
            f"{len(works)} recordings of {len(np.unique(works))} works that the network was not "
            "trained on. Each is a query: are the other versions of its work ranked before all other "
            "recordings?"
        ),
        answer=report.verdict(results),
        results=results,
        distances=distances,
        works=works,
        false_positives=systems.false_positives(distances["search"], data),
        epochs=_epochs(lake, model.model_id),
        coverage=_coverage(searched),
        reliability=calibration.reliability(odds, is_cover) if is_cover.any() else [],
        facts={
            "model": model.model_id,
            "card": {k: v for k, v in model.card.to_dict().items() if v is not None},
            "Delta versions read": {
                k: v for k, v in lake.inputs.items() if not str(k).startswith("file")
            },
        },
    )


def _epochs(lake: Lake, model_id: str) -> list[dict]:
    if not lake.exists(TRAINING_EPOCHS):
        return []
    rows = lake.read(TRAINING_EPOCHS).where(F.col("model_id") == model_id).orderBy("epoch")
    return [r.asDict() for r in rows.collect()]
