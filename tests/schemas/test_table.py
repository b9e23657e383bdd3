import pytest
from pyspark.sql import types as T

from covers.schemas.registry import TABLES
from covers.schemas.table import Column, Table

pytestmark = pytest.mark.spark
names = [t.name for t in TABLES]


def test_repeated_column_is_refused():
    column = Column("a", T.StringType(), "a")
    with pytest.raises(ValueError, match="different names"):
        Table("t", "t", (column, column), ("a",))


def test_nullable_key_is_refused():
    with pytest.raises(ValueError, match="NOT NULL columns, got 'a'"):
        Table("t", "t", (Column("a", T.StringType(), "a", nullable=True),), ("a",))


@pytest.mark.parametrize("table", TABLES, ids=names)
def test_table_made_twice_reads_back_equal_to_its_schema(lake, table):
    lake.ensure(table)
    lake.ensure(table)
    assert lake.read(table).schema == table.struct_type()


def sample_row(table: Table) -> dict:
    """Return a row that meets every check of its table."""
    samples = {
        T.StringType: "x", T.IntegerType: 1, T.LongType: 1, T.DoubleType: 0.5, T.FloatType: 0.5,
        T.BooleanType: True, T.BinaryType: b"x",
    }  # fmt: skip
    row = {c.name: samples.get(type(c.type)) for c in table.columns}
    row |= {c.name: [1] * 6 for c in table.columns if c.type == T.ArrayType(T.IntegerType())}
    row |= {c.name: [1.0] * 6 for c in table.columns if c.type == T.ArrayType(T.DoubleType())}
    row |= {c.name: [1.0] for c in table.columns if c.type == T.ArrayType(T.FloatType())}
    valid = {
        "encoding": "raw", "source": "catalog", "method": "writeup", "part": "test",
        "split": "train", "state": "present", "representation": "chroma", "dtype": "uint8",
        "what": "track", "kind": "clique", "k": 2, "n_features": 3, "sha256": "0" * 64,
        "anchor": "a", "positive": "p", "negative": "n", "anchor_label": "1", "negative_label": "2",
        "purpose": "use",
    }  # fmt: skip
    row |= {k: v for k, v in valid.items() if k in row}
    row |= {"method": "nearest_center"} if table.name == "track_clusters" else {}
    return row | ({"shape": [1, 1]} if table.name == "embeddings" else {})


bad_values = {
    ("tracks", "danceability_in_range"): {"danceability": 1.5},
    ("tracks", "energy_in_range"): {"energy": -0.1},
    ("tracks", "valence_in_range"): {"valence": 2.0},
    ("tracks", "key_in_range"): {"key": 12},
    ("tracks", "mode_is_0_or_1"): {"mode": 2},
    ("tracks", "tempo_not_negative"): {"tempo": -1.0},
    ("track_features", "x_vector_has_six"): {"x_vector": [1.0]},
    ("track_features", "x_vector_is_finite"): {"x_vector": [float("nan")] * 6},
    ("track_features", "features_are_finite"): {"features": [None]},
    ("track_features", "tempo_confidence_in_range"): {"tempo_confidence": 1.5},
    ("track_features", "source_is_known"): {"source": "x"},
    ("track_features", "encoding_is_known"): {"encoding": "x"},
    ("cluster_models", "k_at_least_two"): {"k": 1, "n_features": 6},
    ("cluster_models", "centers_are_full"): {"k": 3},
    ("cluster_models", "centers_are_finite"): {"centers": [None] * 6},
    ("cluster_models", "inertia_not_negative"): {"inertia": -1.0},
    ("track_clusters", "cluster_not_negative"): {"cluster": -1},
    ("track_clusters", "distance_not_negative"): {"distance": -1.0},
    ("track_clusters", "method_is_known"): {"method": "x"},
    ("track_similarity", "similarity_in_range"): {"similarity": 1.1},
    ("track_similarity", "x_vector_has_six"): {"x_vector": [1.0]},
    ("track_similarity", "method_is_known"): {"method": "x"},
    ("classifier_fits", "part_is_known"): {"part": "x"},
    ("classifier_fits", "accuracy_in_range"): {"accuracy": 2.0},
    ("recordings", "split_is_known"): {"split": "x"},
    ("recordings", "state_is_known"): {"state": "x"},
    ("recordings", "sample_rate_positive"): {"sample_rate": 0},
    ("recordings", "duration_positive"): {"duration_s": 0.0},
    ("spectrograms", "shape_is_positive"): {"shape": [0]},
    ("spectrograms", "tensor_is_not_empty"): {"tensor": b""},
    ("spectrograms", "representation_is_known"): {"representation": "x"},
    ("spectrograms", "dtype_is_known"): {"dtype": "x"},
    ("triplets", "negative_is_another"): {"negative": "a"},
    ("triplets", "positive_differs"): {"positive": "a", "augmentation": None},
    ("triplets", "labels_differ"): {"negative_label": "1"},
    ("triplets", "split_is_known"): {"split": "test"},
    ("triplets", "kind_is_known"): {"kind": "mix"},
    ("models", "purpose_is_known"): {"purpose": "x"},
    ("models", "sha256_is_full"): {"sha256": "x"},
    ("training_epochs", "epoch_positive"): {"epoch": 0},
    ("training_epochs", "loss_is_finite"): {"loss": float("nan")},
    ("embeddings", "vector_is_full"): {"vector": [1.0, 2.0]},
    ("embeddings", "vector_is_finite"): {"vector": [float("nan")]},
    ("sequence_embeddings", "tracks_are_whole"): {"tracks": b"xx"},
    ("sequence_embeddings", "segments_are_whole"): {"segments": b"xx"},
    ("sequence_embeddings", "frames_are_whole"): {"frames": b"xx"},
    ("sequence_embeddings", "scales_are_finite"): {"frames_scales": [float("nan")]},
    ("evaluations", "n_not_negative"): {"n": -1},
    ("evaluations", "interval_is_ordered"): {"low": 1.0, "high": 0.0},
    ("quarantine", "what_is_known"): {"what": "x"},
    ("quarantine", "reason_is_not_empty"): {"reason": ""},
    ("runs", "seconds_not_negative"): {"seconds": -1.0},
}


def row_of(table, values):
    from datetime import datetime

    times = {c.name: datetime(2026, 1, 1) for c in table.columns if c.type == T.TimestampType()}
    values = values | times
    return [tuple(values[c] for c in table.column_names)]


@pytest.mark.parametrize("table", TABLES, ids=names)
def test_every_check_of_the_table_refuses_a_bad_row(lake, table):
    lake.upsert_rows(row_of(table, sample_row(table)), table)
    assert {check for name, check in bad_values if name == table.name} == set(table.checks)
    for check in table.checks:
        bad = sample_row(table) | bad_values[table.name, check]
        with pytest.raises(Exception, match=rf"(?s)DELTA_VIOLATE_CONSTRAINT.*{check}"):
            lake.upsert_rows(row_of(table, bad), table)
