"""Anchor, positive and negative for every anchor, exactly, without a cross join.

*Conventions.* Candidates of one split are laid in one row, sorted by label; each label then owns a
range of positions. A positive is a position inside the anchor's range, a negative one outside it,
both drawn by a hash of (seed, anchor, draw): the same whatever the partitions, no rejection, and a
label that holds half of all recordings costs no more than a small one. Strategies:

``cluster``       label = cluster of the recording's track; positive = another of the cluster
``augmentation``  label = work; positive = the anchor, augmented by a drawn spec
``clique``        label = work; positive = another version of the work
``mix``           each draw takes one of the three, by weight

References
----------
The write-ups: cluster triplets ("Triplets from Music Info"), augmentation ("Deployment").
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lib.io.names import normalised
from schemas.triplets import TRIPLETS

KINDS = ("cluster", "augmentation", "clique")
STRATEGIES = (*KINDS, "mix")
_TRIES = 4  # negatives tried until one is of another work


def candidates(recordings: DataFrame, clusters: DataFrame | None) -> DataFrame:
    """Return recording_id, work_id, split, cluster of what may be in a triplet.

    Takes `recordings` rows and, for strategy cluster, rows of `track_clusters`. Test works are
    left out, and so is every work that has the title of a test work.
    """
    own_work = F.coalesce("work_id", "recording_id")
    found = recordings.where("state = 'present'").withColumn("work_id", own_work)
    tests = found.where("split = 'test'").select(normalised("title").alias("_title")).distinct()
    train = found.where("split <> 'test'").withColumn("_title", normalised("title"))
    train = train.join(tests.where("_title <> ''"), "_title", "left_anti")
    train = train.withColumn(
        "track_id", F.coalesce("track_id", F.concat(F.lit("rec:"), "recording_id"))
    )
    columns = ["recording_id", "work_id", "split"]
    if clusters is None:
        return train.select(*columns, F.lit(None).cast("string").alias("cluster"))
    by_track = clusters.select("track_id", F.col("cluster").cast("string").alias("cluster"))
    return train.join(by_track, "track_id", "left").select(*columns, "cluster")


def of_model(clusters: DataFrame, model_id: str | None) -> DataFrame:
    """Return the rows of one cluster model: by id, or the first of encoding musical."""
    if model_id:
        return clusters.where(F.col("cluster_model_id") == model_id)
    first = clusters.select("cluster_model_id").orderBy("cluster_model_id").head()
    return clusters.where(F.col("cluster_model_id") == (first[0] if first else ""))


def generate(
    found: DataFrame,
    names: Sequence[str],
    *,
    per_anchor: int,
    seed: int,
    weights: dict[str, float] | None = None,
) -> DataFrame:
    """Return rows of `triplets`: ``per_anchor`` for every anchor that can have them, by strategy.

    Takes the columns of `candidates`. Anchors that are alone under their label, or whose label is
    all there is, have none. ``weights`` are the shares of the three kinds in a mix.

    Raises
    ------
    ValueError
        If a strategy is unknown or per_anchor is not positive.
    """
    unknown = set(names) - set(STRATEGIES)
    if unknown:
        raise ValueError(f"strategy must be one of {STRATEGIES}, got {sorted(unknown)}")
    if per_anchor < 1:
        raise ValueError(f"per_anchor must be at least 1, got {per_anchor}")
    draws = found.select(
        "recording_id",
        F.explode(F.array(*map(F.lit, names))).alias("strategy"),
    ).select("*", F.explode(F.sequence(F.lit(0), F.lit(per_anchor - 1))).alias("draw"))
    drawn_kind = _kind_of_mix(weights or dict.fromkeys(KINDS, 1.0), seed)
    kind = F.when(F.col("strategy") == "mix", drawn_kind).otherwise(F.col("strategy"))
    layout = F.when(F.col("kind") == "cluster", "cluster").otherwise("work")
    draws = draws.withColumn("kind", kind).withColumn("layout", layout)
    laid = lay_out(found).persist()  # three joins start from it
    anchors = draws.join(laid, ["recording_id", "layout"]).where(
        "size < total AND (size > 1 OR kind = 'augmentation')"
    )
    return _resolve(_positions(anchors, seed), laid, seed)


def _kind_of_mix(weights: dict[str, float], seed: int) -> Column:
    pick = _uniform(seed, "kind")
    total, low = sum(weights.values()), 0.0
    kind = F.lit(None).cast("string")
    for name, weight in weights.items():
        inside = (pick >= low / total) & (pick < (low + weight) / total)
        kind = F.when(inside, name).otherwise(kind)
        low += weight
    return kind


def _positions(anchors: DataFrame, seed: int) -> DataFrame:
    """Add the position of the positive, and those of the negatives to try."""
    own = F.col("position") - F.col("start")
    other = _pick(F.col("size") - 1, seed, "positive")
    another = F.col("start") + other + F.when(other >= own, 1).otherwise(0)
    positive = F.when(F.col("kind") == "augmentation", F.col("position")).otherwise(another)
    tries = []
    for i in range(_TRIES):
        drawn = _pick(F.col("total") - F.col("size"), seed, f"negative{i}")
        tries.append(drawn + F.when(drawn >= F.col("start"), F.col("size")).otherwise(0))
    return anchors.withColumns({"_positive": positive, "_negatives": F.array(*tries)})


def _resolve(tried: DataFrame, laid: DataFrame, seed: int) -> DataFrame:
    """Turn positions into recordings; keep the first negative that is of another work."""
    at = laid.select(
        "layout", "split", F.col("position").alias("_at"), F.col("recording_id").alias("_id"),
        F.col("work_id").alias("_work"), F.col("label").alias("_label"),
    )  # fmt: skip
    draw = ["strategy", "recording_id", "draw"]
    negatives = (
        tried.select(
            *draw, "layout", "split", "work_id", F.posexplode("_negatives").alias("_try", "_at")
        )
        .join(at, ["layout", "split", "_at"])
        .where("_work <> work_id")
        .groupBy(*draw)
        .agg(F.min(F.struct("_try", "_id", "_label")).alias("_negative"))
    )
    positives = at.select(
        "layout", "split", F.col("_at").alias("_positive"), F.col("_id").alias("positive")
    )
    rows = tried.join(positives, ["layout", "split", "_positive"]).join(negatives, draw)
    return rows.select(
        "strategy",
        F.lit(seed).cast("long").alias("seed"),
        "split",
        F.col("recording_id").alias("anchor"),
        F.col("draw").cast("int").alias("draw"),
        "positive",
        F.col("_negative._id").alias("negative"),
        "kind",
        F.when(F.col("kind") == "augmentation", _augmentation(seed)).alias("augmentation"),
        F.col("label").alias("anchor_label"),
        F.col("_negative._label").alias("negative_label"),
        F.lit(None).cast("double").alias("distance_positive"),
        F.lit(None).cast("double").alias("distance_negative"),
    ).select(*TRIPLETS.column_names)


def lay_out(found: DataFrame) -> DataFrame:
    """Lay the candidates in rows, one a layout (`work`, `cluster`) and split, sorted by label.

    Adds position, start and size of the label's range, and total, the length of the row.
    """
    label = F.explode(
        F.array(
            F.struct(F.lit("work").alias("layout"), F.col("work_id").alias("label")),
            F.struct(F.lit("cluster").alias("layout"), F.col("cluster").alias("label")),
        )
    )
    found = found.select("recording_id", "work_id", "split", label.alias("_")).select("*", "_.*")
    found = found.drop("_").where("label IS NOT NULL")
    row = ["layout", "split"]
    sizes = found.groupBy(*row, "label").agg(F.count("*").alias("size"))
    before = Window.partitionBy(*row).orderBy("label").rowsBetween(Window.unboundedPreceding, -1)
    whole = Window.partitionBy(*row)
    sizes = sizes.withColumns(
        {
            "start": F.coalesce(F.sum("size").over(before), F.lit(0)),
            "total": F.sum("size").over(whole),
        }
    )
    within = Window.partitionBy(*row, "label").orderBy("recording_id")
    numbered = found.withColumn("_turn", F.row_number().over(within) - 1)
    return (
        numbered.join(sizes, [*row, "label"])
        .withColumn("position", F.col("start") + F.col("_turn"))
        .drop("_turn")
    )


def _uniform(seed: int, purpose: str) -> Column:
    """Draw a number from 0 to 1, by anchor and draw."""
    hashed = F.xxhash64(F.lit(seed), F.lit(purpose), "recording_id", "draw")
    return F.pmod(hashed, F.lit(1 << 40)) / float(1 << 40)


def _pick(n: Column, seed: int, purpose: str) -> Column:
    """Draw a number from 0 to n-1 (0 where n is 0), by kind, anchor and draw."""
    hashed = F.xxhash64(F.lit(seed), F.lit(purpose), "kind", "recording_id", "draw")
    return F.pmod(hashed, F.greatest(n, F.lit(1))).cast("long")


def _augmentation(seed: int) -> Column:
    """Draw a spec for `lib.audio.augment`, as JSON; each effect is there in half of the draws."""
    number = lambda purpose: _uniform(seed, f"augment {purpose}")  # noqa: E731
    drawn = {
        "pitch_shift": F.floor(number("key") * 9).cast("int") - 4,
        "time_stretch": F.round(0.8 + number("tempo") * 0.45, 4),
        "timbre": F.round(number("timbre") * 0.5, 4),
        "eq": F.array(*(F.round(number(f"eq {i}") * 18 - 9, 2) for i in range(3))),
        "noise": F.round(0.02 + number("noise") * 0.1, 4),
    }
    coins = [F.when(number(f"whether {n}") < 0.5, v).alias(n) for n, v in drawn.items()]
    return F.to_json(
        F.struct(*coins, F.floor(number("seed") * (1 << 31)).cast("int").alias("seed"))
    )
