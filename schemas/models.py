"""`models`: every fitted model, its file and its inputs."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

MODELS = Table(
    name="models",
    comment="One fitted model",
    columns=(
        Column("model_id", T.StringType(), "Id: kind and hash of settings and inputs"),
        Column(
            "kind",
            T.StringType(),
            "scaler, regressor, classifier, covernet, cnn, resnet18_last_block, resnet18_all",
        ),
        Column(
            "purpose",
            T.StringType(),
            "use, or comparison: the latter is never the latest model",
        ),
        Column("uri", T.StringType(), "File of the weights"),
        Column("sha256", T.StringType(), "Hash of that file"),
        Column("config", T.StringType(), "All settings (JSON)"),
        Column("metrics", T.StringType(), "Metrics at the end of training (JSON)"),
        Column("inputs", T.StringType(), "Delta version of every input (JSON)"),
        Column("trained_at", T.TimestampType(), "When it was registered", "UTC"),
    ),
    key=("model_id",),
    checks={
        "purpose_is_known": "purpose IN ('use', 'comparison')",
        "sha256_is_full": "length(sha256) = 64",
    },
)
