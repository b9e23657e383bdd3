"""`triplets`: anchor, positive, negative as ids and augmentation specs, without tensors."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

TRIPLETS = Table(
    name="triplets",
    comment="One triplet",
    columns=(
        Column(
            "strategy",
            T.StringType(),
            "cluster, augmentation, clique, title or mix; -hard or -semi-hard where mined",
        ),
        Column("seed", T.LongType(), "Seed of the draw"),
        Column("split", T.StringType(), "train or validation"),
        Column("anchor", T.StringType(), "Recording (recordings)"),
        Column("draw", T.IntegerType(), "Number of the triplet of this anchor, from 0"),
        Column("positive", T.StringType(), "Recording; the anchor itself when augmented"),
        Column("negative", T.StringType(), "Recording"),
        Column(
            "kind",
            T.StringType(),
            "Strategy of this triplet (in a mix, not the table's strategy)",
        ),
        Column(
            "augmentation",
            T.StringType(),
            "Spec of the positive's augmentation (JSON)",
            nullable=True,
        ),
        Column(
            "anchor_label", T.StringType(), "Label of anchor and positive: work, title or cluster"
        ),
        Column("negative_label", T.StringType(), "Label of the negative"),
        Column(
            "distance_positive",
            T.DoubleType(),
            "Distance anchor to positive in the mining model",
            nullable=True,
        ),
        Column(
            "distance_negative",
            T.DoubleType(),
            "Distance anchor to negative in the mining model",
            nullable=True,
        ),
    ),
    key=(
        "strategy",
        "seed",
        "split",
        "anchor",
        "draw",
    ),
    checks={
        "negative_is_another": "anchor <> negative AND positive <> negative",
        "positive_differs": "anchor <> positive OR augmentation IS NOT NULL",
        "labels_differ": "anchor_label <> negative_label",
        "split_is_known": "split IN ('train', 'validation')",
        "kind_is_known": "kind IN ('cluster', 'augmentation', 'clique', 'title')",
    },
)
