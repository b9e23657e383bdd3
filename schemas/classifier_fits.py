"""`classifier_fits`: every partial fit of the cluster classifier."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

CLASSIFIER_FITS = Table(
    name="classifier_fits",
    comment="Metrics after one partial fit",
    columns=(
        Column("model_id", T.StringType(), "Classifier (models)"),
        Column(
            "preset",
            T.StringType(),
            "Preset of batches and passes (train_cluster_classifier --preset)",
        ),
        Column("fit", T.IntegerType(), "Number of the fit, from 1"),
        Column("part", T.StringType(), "train or test"),
        Column("accuracy", T.DoubleType(), "Share of correct clusters", "0 to 1"),
        Column("precision", T.DoubleType(), "Weighted precision", "0 to 1"),
        Column("recall", T.DoubleType(), "Weighted recall", "0 to 1"),
        Column("f1", T.DoubleType(), "Weighted F1", "0 to 1"),
        Column("n", T.LongType(), "Tracks evaluated"),
    ),
    key=(
        "model_id",
        "fit",
        "part",
    ),
    checks={
        "part_is_known": "part IN ('train', 'test')",
        "accuracy_in_range": "accuracy BETWEEN 0 AND 1",
    },
)
