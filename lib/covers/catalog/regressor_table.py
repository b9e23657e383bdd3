"""XGBoost learns the similarity to one song, beside two baselines.

*Conventions.* The target is a formula of the very inputs the model sees: a low RMSE shows that
trees can fit the formula, not that the formula means anything to a listener.

References
----------
The write-up: ``XGBRegressor(n_estimators=100, learning_rate=0.1, random_state=123)``, 80/20 split.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from xgboost.spark import SparkXGBRegressor

from covers.catalog.features import X_VECTOR
from covers.errors import InputError
from covers.io.spark import hash_bucket

NOTE = (
    "the target is a formula of these six inputs: a low RMSE shows that trees can fit it, not that it "
    "is what listeners find similar; computing the formula is exact and faster"
)


@dataclass(frozen=True)
class RegressorConfig:
    """The write-up's settings."""

    n_estimators: int = 100
    learning_rate: float = 0.1
    test_share: float = 0.2
    seed: int = 123
    num_workers: int = 1


@dataclass(frozen=True)
class Scores:
    """Errors on tracks that were not fitted."""

    rmse: float
    mae: float
    r2: float


def first_seed(scored: DataFrame) -> str:
    """Return the first seed track that was scored.

    Raises
    ------
    InputError
        If none was.
    """
    row = scored.select("seed_track_id").orderBy("seed_track_id").head()
    if row is None:
        raise InputError("track_similarity must hold scores, got none; run score_similarity first")
    return row[0]


def evaluation_rows(model_id: str, seed_track: str, result: dict) -> list[tuple]:
    """Return rows of `evaluations`: every score of every model."""
    evaluation_id = f"{model_id}/similarity/{seed_track}"
    data_set, setting = f"similarity to {seed_track}", "unseen tracks"
    names = {"xgboost": model_id}
    return [
        (
            evaluation_id,
            data_set,
            setting,
            names.get(system, system),
            metric,
            value,
            None,
            None,
            result["n_test"],
        )
        for system, scores in result["scores"].items()
        for metric, value in scores.items()
    ]


def split(rows: DataFrame, config: RegressorConfig) -> tuple[DataFrame, DataFrame]:
    """Return train and test rows, split by a hash of track_id: the same in any partitioning."""
    bucket = hash_bucket("track_id", config.seed, 10_000) / 10_000
    x = [F.col("x_vector")[i].alias(c) for i, c in enumerate(X_VECTOR)]
    is_test = bucket < config.test_share
    train_rows, test_rows = rows.where(~is_test), rows.where(is_test)
    return train_rows.select("similarity", *x), test_rows.select("similarity", *x)


def train(rows: DataFrame, config: RegressorConfig, *, slots: int, save_to: Path) -> dict:
    """Fit on `track_similarity` rows; save the booster (JSON); return scores and importances.

    Raises
    ------
    InputError
        If there are fewer task slots than workers (xgboost.spark would wait for ever), or no
        tracks to train or to test on.
    """
    if slots < config.num_workers:
        raise InputError(
            f"num_workers must be at most the {slots} task slots of the cluster, got "
            f"{config.num_workers}; lower --workers"
        )
    logging.getLogger("XGBoost-PySpark").setLevel(logging.WARNING)
    train_rows, test_rows = (frame.persist() for frame in split(rows, config))
    n_train, n_test = train_rows.count(), test_rows.count()
    if not n_train or not n_test:
        raise InputError(
            f"scored tracks must be enough for training and test, got {n_train} and {n_test}; "
            "run score_similarity on a larger catalogue"
        )
    model = SparkXGBRegressor(
        features_col=list(X_VECTOR), label_col="similarity", num_workers=config.num_workers,
        n_estimators=config.n_estimators, learning_rate=config.learning_rate,
        random_state=config.seed, device="cpu", verbosity=0, verbose=False,
    ).fit(train_rows)  # fmt: skip
    booster = model.get_booster()
    booster.save_model(str(save_to))
    assembler = VectorAssembler(inputCols=list(X_VECTOR), outputCol="v")
    linear = LinearRegression(featuresCol="v", labelCol="similarity").fit(
        assembler.transform(train_rows)
    )
    mean = train_rows.agg(F.mean("similarity")).collect()[0][0]
    scored = {
        "xgboost": model.transform(test_rows),
        "linear": linear.transform(assembler.transform(test_rows)),
        "mean": test_rows.withColumn("prediction", F.lit(float(mean))),
    }
    gain = booster.get_score(importance_type="gain")
    total = sum(gain.values()) or 1.0
    importance = {
        X_VECTOR[int(k[1:])] if k[1:].isdigit() else k: v / total for k, v in gain.items()
    }
    scores = {name: asdict(_scores(frame)) for name, frame in scored.items()}
    for frame in (train_rows, test_rows):
        frame.unpersist()
    return {
        "scores": scores,
        "importance": dict(sorted(importance.items(), key=lambda kv: -kv[1])),
        "n_test": n_test,
    }


def _scores(predicted: DataFrame) -> Scores:
    evaluator = RegressionEvaluator(labelCol="similarity", predictionCol="prediction")
    values = {
        m: float(evaluator.setMetricName(m).evaluate(predicted)) for m in ("rmse", "mae", "r2")
    }
    return Scores(**values)
