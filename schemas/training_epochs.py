"""`training_epochs`: metrics of every training epoch."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

TRAINING_EPOCHS = Table(
    name="training_epochs",
    comment="One epoch of one training",
    columns=(
        Column("model_id", T.StringType(), "Model (models)"),
        Column("epoch", T.IntegerType(), "Number of the epoch, from 1"),
        Column("loss", T.DoubleType(), "Mean training loss over all ranks"),
        Column(
            "validation_loss",
            T.DoubleType(),
            "Mean loss on validation triplets",
            nullable=True,
        ),
        Column(
            "validation_nn_accuracy",
            T.DoubleType(),
            "Triplet accuracy: share of validation triplets with d(a, p) < d(a, n)",
            "0 to 1",
            nullable=True,
        ),
        Column(
            "embedding_std",
            T.DoubleType(),
            "Mean standard deviation of the embedding's coordinates; near 0 = collapsed",
        ),
        Column("learning_rate", T.DoubleType(), "Learning rate at the end of the epoch"),
        Column("n_triplets", T.LongType(), "Triplets processed by all ranks"),
        Column("n_ranks", T.IntegerType(), "Horovod or torch.distributed ranks"),
        Column("seconds", T.DoubleType(), "Wall time", "s"),
        Column("parameters_hash", T.StringType(), "Hash of the weights, equal on all ranks"),
    ),
    key=(
        "model_id",
        "epoch",
    ),
    checks={
        "epoch_positive": "epoch > 0",
        "loss_is_finite": "NOT isnan(loss)",
    },
)
