"""Networks trained on each kind of triplets with one budget and seed, judged on the same recordings.

*Conventions.* All are judged by one embedding of a whole recording. What a network costs stands beside its
figures: parameters, seconds that its epochs took, and seconds to embed a recording of four minutes on one
core (the median of three).
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from covers.audio.features import parameters
from covers.cli.console import print_progress
from covers.evaluation import dataset
from covers.evaluation import systems as evaluate
from covers.io.lake import Lake
from covers.io.model_store import find
from covers.models import registry
from covers.models.registry import Network
from covers.retrieval import embed
from covers.training.config import preset
from covers.training.run import Request, train_models


def compare(lake: Lake, args: argparse.Namespace) -> tuple[list[tuple], list[dict]]:
    """Return rows of `evaluations` and the leaderboard."""
    wanted = [
        (preset(name, epochs=args.epochs, seed=args.seed, crop_s=args.crop), strategy)
        for name in args.networks
        for strategy in args.strategies
    ]
    request = Request(args.seed, args.backend, args.workers, purpose="comparison")
    trained = train_models(lake, wanted, request, print_progress)
    systems = {f"untrained {name}": registry.untrained(name) for name in args.networks}
    costs = {system: costs_of(network) for system, network in systems.items()}
    for (config, strategy), done in zip(wanted, trained, strict=True):
        system = f"{config.architecture} · {strategy}"
        systems[system] = registry.of_model(find(lake, done.model_id))
        seconds = sum(epoch["seconds"] for epoch in done.epochs)
        costs[system] = costs[f"untrained {config.architecture}"] | {"training_s": seconds}
    by_wholes = {s: n.only(segment_s=None, frame_s=None) for s, n in systems.items()}
    data = dataset.from_lake(lake, args.data_set, by_wholes)
    distances = evaluate.all_distances(data, baselines=True)
    result = evaluate.figures(distances, data.works, seed=args.seed)
    for system, found in costs.items():
        result[system] |= {name: evaluate.figure(value) for name, value in found.items()}
    evaluation_id = f"strategies/{args.data_set}/e{args.epochs}/s{args.seed}"
    rows = evaluate.rows(
        result,
        evaluation_id=evaluation_id,
        data_set=args.data_set,
        setting=f"{args.epochs} epochs each",
    )
    return rows, evaluate.leaderboard(result)


def costs_of(network: Network) -> dict[str, float]:
    """Return how many parameters a network has and how long a recording of four minutes takes it [s]."""
    config = network.config
    net = network.net
    p = parameters(config["representation"])
    tensor = np.random.default_rng(0).random((p.n_bins, round(240 * p.frames_per_second)))
    crop, times = embed.crop_frames_of(config, p.frames_per_second), []
    for _ in range(4):
        started = time.perf_counter()
        embed.embed(net, tensor.astype(np.float32), crop_frames=crop)
        times.append(time.perf_counter() - started)
    n_parameters = sum(weight.numel() for weight in net.parameters())
    return {"n_parameters": float(n_parameters), "embedding_s": statistics.median(times[1:])}
