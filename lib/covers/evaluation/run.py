"""One evaluation from arguments to figures: the set, the systems, the rows, the report."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyspark.sql import functions as F

from covers.evaluation import dataset, report
from covers.evaluation import systems as evaluate
from covers.evaluation.systems import EvaluationSet
from covers.io.lake import Lake
from covers.models import registry
from covers.models.registry import Network
from covers.retrieval import alignment, calibration
from covers.schemas.training_epochs import TRAINING_EPOCHS


@dataclass(frozen=True)
class Evaluated:
    """Rows for `evaluations` and the summary for people and programs."""

    rows: list[tuple]
    summary: dict[str, object]


def evaluation_set(lake: Lake, args: argparse.Namespace) -> tuple[EvaluationSet, Network]:
    """Collect what the arguments name: a data set of the lake, or a manifest."""
    network = registry.resolve(lake, args.model)
    systems = {"model": network, "untrained": registry.untrained(network.config["architecture"])}
    if args.manifest:
        name = (
            args.data_set
            if args.data_set != "evaluation"
            else Path(args.manifest).resolve().parent.name
        )
        return dataset.from_manifest(lake, args.manifest, args.audio_root, name, systems), network
    return dataset.from_lake(lake, args.data_set, systems), network


def evaluate_set(
    lake: Lake,
    data: EvaluationSet,
    network: Network,
    *,
    baselines: bool,
    seed: int,
    report: str | None,
) -> Evaluated:
    """Judge every system on the set; write the report where one is asked for."""
    distances = evaluate.all_distances(data, baselines=baselines)
    result = evaluate.figures(distances, data.works, seed=seed)
    differences = evaluate.differences(distances, data.works, "model", seed=seed)
    evaluation_id = f"{network.model_id}/{data.name}/s{seed}"
    named = {network.model_id if s == "model" else s: f for s, f in result.items()}
    rows = evaluate.rows(
        named, evaluation_id=evaluation_id, data_set=data.name, setting=_setting(network)
    )
    summary: dict[str, object] = {
        "data set": f"{data.name}: {len(data.works)} recordings of {len(np.unique(data.works))} works",
        "model": network.model_id,
        "read": len(data.works) + lake.n_quarantined,
    }
    if network.frame_s and "model_aligned" not in distances:
        summary["aligned"] = f"no: more than {alignment.MOST:,} recordings"
    if report:
        summary["report"] = str(_write_report(lake, data, network, distances, result, Path(report)))
    listed = evaluate.leaderboard(result)
    for row in listed:
        row["system"] = network.model_id if row["system"] == "model" else row["system"]
    return Evaluated(rows, summary | {"leaderboard": listed, "differences": differences} | result)


def _reliability(network: Network, distances: dict, data: EvaluationSet) -> list[dict]:
    """Return how right the probabilities of `find_covers` are here; [] where the card has none."""
    aligned = distances.get("model_aligned")
    scores: np.ndarray | float = 0.0
    line = calibration.of_card(network.config, "s_norm_alignment")
    if line and aligned is not None:
        scores = -aligned
    else:
        line = calibration.of_card(network.config, "s_norm")
    if not line:
        return []
    return calibration.reliability(line.log_odds(evaluate.as_searched(data), scores), data.works)


def _setting(network: Network) -> str:
    return "clip30" if network.config["representation"] == "log_mel" else "whole recordings"


def _write_report(
    lake: Lake, data: EvaluationSet, network: Network, distances: dict, result: dict, path: Path
) -> Path:
    page = report.Report(
        title=f"Does the network find covers? {data.name}",
        question=(
            f"{len(data.works)} recordings of {len(np.unique(data.works))} works that the network was not "
            "trained on: for each recording, are the other versions of its work nearer than all other recordings?"
        ),
        answer=report.verdict(result),
        result=result,
        distances=distances,
        works=data.works,
        wrong=evaluate.false_positives(distances["model"], data),
        epochs=_epochs(lake, network.model_id),
        reliability=_reliability(network, distances, data),
        facts={
            "model": network.model_id,
            "settings": {k: v for k, v in network.config.items() if v is not None},
            "Delta versions read": {
                k: v for k, v in lake.inputs.items() if not str(k).startswith("file")
            },
        },
    )
    return report.write(page, path)


def _epochs(lake: Lake, model_id: str) -> list[dict]:
    if not lake.exists(TRAINING_EPOCHS):
        return []
    rows = (
        lake.read(TRAINING_EPOCHS).where(F.col("model_id") == model_id).orderBy("epoch").collect()
    )
    return [r.asDict() for r in rows]
