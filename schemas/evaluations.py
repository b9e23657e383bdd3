"""`evaluations`: every metric of every evaluation."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

EVALUATIONS = Table(
    name="evaluations",
    comment="One metric of one system on one data set",
    columns=(
        Column("evaluation_id", T.StringType(), "Evaluation: model, data set and setting"),
        Column("data_set", T.StringType(), "Data set it was evaluated on"),
        Column(
            "setting",
            T.StringType(),
            "whole recordings or clip30; for catalogue models what was evaluated",
        ),
        Column(
            "system",
            T.StringType(),
            "Model id, or a baseline: chance, untrained, no_model, fourier2d, qmax, ...",
        ),
        Column("metric", T.StringType(), "Metric: map, mr1, p_at_1, triplet_accuracy, ..."),
        Column("value", T.DoubleType(), "Value"),
        Column("low", T.DoubleType(), "Lower end of the 95% interval", nullable=True),
        Column("high", T.DoubleType(), "Upper end of the 95% interval", nullable=True),
        Column("n", T.LongType(), "Queries, pairs or rows it was computed from"),
    ),
    key=(
        "evaluation_id",
        "system",
        "metric",
    ),
    checks={
        "n_not_negative": "n >= 0",
        "interval_is_ordered": "low IS NULL OR low <= high",
    },
)
