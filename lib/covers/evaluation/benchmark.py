"""Networks trained on each kind of triplets with the same epochs and seed, evaluated on one set.

*Conventions.* All are evaluated by track embeddings with S-norm. What a network costs stands beside its
metrics: parameters, seconds its epochs took, and seconds to embed a track of four minutes on one core (the
median of three).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from covers.audio.features import parameters
from covers.evaluation import dataset_table, leaderboard
from covers.io.lake import Lake
from covers.io.model_store import find
from covers.models import registry
from covers.models.model import EmbeddingModel, untrained
from covers.retrieval import pairs
from covers.retrieval.baselines import fourier2d, qmax, raw_features
from covers.retrieval.embedding import crop_frames, embed_track
from covers.training.config import preset
from covers.training.run import LaunchConfig, OnEvent, train_models


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is trained, how long, and the data set it is evaluated on."""

    data_set: str
    architectures: Sequence[str]
    strategies: Sequence[str]
    epochs: int
    seed: int
    crop_s: float | None = None


def compare_strategies(
    lake: Lake, config: BenchmarkConfig, launching: LaunchConfig, on_event: OnEvent
) -> tuple[list[tuple], list[dict[str, str]]]:
    """Train every architecture on every strategy; return rows of `evaluations` and the leaderboard."""
    wanted = [
        (preset(name, epochs=config.epochs, seed=config.seed, crop_s=config.crop_s), strategy)
        for name in config.architectures
        for strategy in config.strategies
    ]
    trained = train_models(lake, wanted, launching, on_event)
    models = {f"untrained {name}": untrained(name) for name in config.architectures}
    costs = {system: costs_of(model) for system, model in models.items()}
    for (settings, strategy), result in zip(wanted, trained, strict=True):
        system = f"{settings.architecture} · {strategy}"
        models[system] = registry.from_record(find(lake, result.model_id))
        seconds = sum(epoch["seconds"] for epoch in result.epochs)
        costs[system] = costs[f"untrained {settings.architecture}"] | {"training_s": seconds}
    by_track = {s: m.with_card(segment_s=None, frame_s=None) for s, m in models.items()}
    data = dataset_table.from_lake(lake, config.data_set, by_track)
    distances = {s: _track_distances(data.embeddings[s]) for s in models}
    distances["raw_features"] = raw_features.distances(data.chromas)
    distances["fourier2d"] = fourier2d.distances(data.chromas)
    distances["qmax"] = qmax.distances(data.chromas)
    distances["qmax_s_norm"] = pairs.s_normalize(distances["qmax"])
    results = leaderboard.evaluate(distances, data.works, seed=config.seed)
    for system, found in costs.items():
        results[system] |= {name: leaderboard.point(value) for name, value in found.items()}
    rows = leaderboard.evaluation_rows(
        results,
        evaluation_id=f"strategies/{config.data_set}/e{config.epochs}/s{config.seed}",
        data_set=config.data_set,
        setting=f"{config.epochs} epochs each",
    )
    return rows, leaderboard.leaderboard(results)


def _track_distances(embeddings: list) -> np.ndarray:
    tracks = np.stack([e.track for e in embeddings])
    return pairs.s_normalize(pairs.track_distances(tracks, embeddings[0].n_transpositions))


def costs_of(model: EmbeddingModel) -> dict[str, float]:
    """Return a network's parameters and how long a track of four minutes takes it [s]."""
    module, p = model.module, parameters(model.card.representation)
    tensor = np.random.default_rng(0).random((p.n_bins, round(240 * p.frames_per_second)))
    size, times = crop_frames(model, p.frames_per_second), []
    for _ in range(4):
        started = time.perf_counter()
        embed_track(module, tensor.astype(np.float32), crop_frames=size)
        times.append(time.perf_counter() - started)
    n_parameters = sum(weight.numel() for weight in module.parameters())
    return {"n_parameters": float(n_parameters), "embedding_s": statistics.median(times[1:])}
