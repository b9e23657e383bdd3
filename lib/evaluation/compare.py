"""The same network, budget and seed on each kind of triplets, judged on the same recordings."""

from __future__ import annotations

import argparse

from lib.evaluation import collect, evaluate
from lib.io.job import say
from lib.io.lake import Lake
from lib.io.models import find
from lib.retrieval import registry
from lib.training.config import preset
from lib.training.train import Request, train_models


def compare(lake: Lake, args: argparse.Namespace) -> tuple[list[tuple], list[dict]]:
    """Return rows of `evaluations` and the leaderboard."""
    wanted = [
        (preset(name, epochs=args.epochs, seed=args.seed, crop_s=args.crop), strategy)
        for name in args.networks
        for strategy in args.strategies
    ]
    request = Request(args.seed, args.backend, args.workers, purpose="comparison")
    trained = train_models(lake, wanted, request, say)
    systems = {f"untrained {name}": registry.untrained(name) for name in args.networks}
    for (config, strategy), done in zip(wanted, trained, strict=True):
        systems[f"{config.network} · {strategy}"] = registry.of_model(find(lake, done.model_id))
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
