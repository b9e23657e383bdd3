"""The same network, budget and seed on each kind of triplets, judged on the same recordings."""

from __future__ import annotations

import argparse

from lib.evaluation import collect, evaluate
from lib.io.job import announce, say
from lib.io.lake import Lake
from lib.io.models import find
from lib.retrieval.registry import Network, untrained
from lib.training.config import preset
from lib.training.train import Request, train_model


def compare(lake: Lake, args: argparse.Namespace) -> tuple[list[tuple], list[dict]]:
    """Return rows of `evaluations` and the leaderboard."""
    systems: dict[str, Network] = {}
    for name in args.networks:
        systems[f"untrained {name}"] = untrained(name)
        for strategy in args.strategies:
            announce(f"{name} on {strategy} triplets")
            settings = preset(name, epochs=args.epochs, seed=args.seed, crop_s=args.crop)
            request = Request(strategy, args.seed, args.backend, args.workers, purpose="comparison")
            model_id, _ = train_model(lake, settings, request, say)
            model = find(lake, model_id)
            systems[f"{name} · {strategy}"] = Network(model_id, model.path, model.config)
    data = collect.from_lake(lake, args.data_set, systems)
    distances = evaluate.all_distances(data, rivals=True)
    result = evaluate.figures(distances, data.works, seed=args.seed)
    evaluation_id = f"strategies/{args.data_set}/e{args.epochs}/s{args.seed}"
    rows = evaluate.rows(
        result,
        evaluation_id=evaluation_id,
        data_set=args.data_set,
        setting=f"{args.epochs} epochs each",
    )
    return rows, evaluate.leaderboard(result)
