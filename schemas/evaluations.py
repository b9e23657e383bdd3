"""`evaluations`: every figure of every evaluation."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

EVALUATIONS = Table(
    name="evaluations",
    comment="One metric of one system on one data set",
    columns=(
        Column("evaluation_id", T.StringType(), "Evaluation: model, data set and setting"),
        Column("data_set", T.StringType(), "What it was judged on"),
        Column("setting", T.StringType(), "whole recordings or clip30"),
        Column(
            "system",
            T.StringType(),
            "model id, or another system: chance, untrained, no_model, fourier2d, qmax, ...",
        ),
        Column("metric", T.StringType(), "Name of the metric"),
        Column("value", T.DoubleType(), "Value"),
        Column("low", T.DoubleType(), "Lower end of the 95% interval", nullable=True),
        Column("high", T.DoubleType(), "Upper end of the 95% interval", nullable=True),
        Column("n", T.LongType(), "Queries, pairs or rows it rests on"),
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
