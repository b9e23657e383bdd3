"""Anchor, positive and negative for every anchor, drawn exactly and without a cross join.

*Conventions.* The candidates of one split are given positions, so that those of one label are
neighbours. Each label then owns a range of positions, and the positions that may not be a negative (the
label's and the family's, see `covers.triplets.candidates_table`) are a few ranges. A positive is a
position inside the label's range, a negative one outside all excluded ranges. Both are drawn by a hash of
(seed, anchor, draw): the same whatever the partitions, without rejection, and a label that holds half of
all recordings costs no more than a small one. The kinds are explained in `covers.triplets.config`.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from covers.schemas.triplets import TRIPLETS
from covers.triplets.config import LABEL_OF_KIND, SamplingConfig

_LABEL_COLUMN = {"work": "work_id", "title": "title", "cluster": "cluster"}
_GROUP = ["layout", "split"]  # positions are numbered within these


def draw_triplets(candidates: DataFrame, config: SamplingConfig) -> DataFrame:
    """Return rows of `triplets`: ``config.per_anchor`` for every strategy and anchor.

    Anchors without another recording under their label, or without a recording of another family, have
    none. Takes the columns of `candidates_table.select_candidates`.
    """
    positioned = assign_positions(candidates, config).persist()  # three reads start from it
    drawn = _draw_positions(draw_anchors(positioned, config), config.seed)
    return _look_up_recordings(drawn, positioned, config.seed)


def assign_positions(candidates: DataFrame, config: SamplingConfig) -> DataFrame:
    """Number the candidates of each layout (work, title, cluster) and split.

    Returns
    -------
    DataFrame
        Columns layout, split, recording_id, family, label, position; start and size of the label's
        range; excluded_ranges (array of start and size), which hold no negative; n_allowed, the
        number of positions outside of these.
    """
    layouts = sorted({LABEL_OF_KIND[kind] for kind in config.kinds})
    labels = [
        F.struct(F.lit(layout).alias("layout"), F.col(_LABEL_COLUMN[layout]).alias("label"))
        for layout in layouts
    ]
    rows = candidates.select(
        "recording_id", "family", "split", F.explode(F.array(*labels)).alias("_")
    )
    rows = rows.select("*", "_.*").drop("_").where("label IS NOT NULL")
    within = Window.partitionBy(*_GROUP, "label", "family").orderBy("recording_id")
    numbered = rows.withColumn("_offset", F.row_number().over(within) - 1)
    positioned = numbered.join(_block_ranges(rows), [*_GROUP, "label", "family"])
    position = F.col("_block_start") + F.col("_offset")
    return positioned.withColumn("position", position).drop("_offset", "_block_start")


def _block_ranges(rows: DataFrame) -> DataFrame:
    """Return, for each block of one label and family, where it starts, and the ranges around it.

    Blocks are ordered so that clusters are contiguous and cut into families, and families are contiguous
    and cut into works or titles.
    """
    by_cluster = F.col("layout") == "cluster"
    outer = F.when(by_cluster, F.col("label")).otherwise(F.col("family"))
    inner = F.when(by_cluster, F.col("family")).otherwise(F.col("label"))
    blocks = rows.groupBy(*_GROUP, "label", "family").agg(F.count("*").alias("_n"))
    before = Window.partitionBy(*_GROUP).orderBy(outer, inner)
    before = before.rowsBetween(Window.unboundedPreceding, -1)
    by_label = Window.partitionBy(*_GROUP, "label")
    by_family = Window.partitionBy(*_GROUP, "family")
    block = F.struct(F.col("_block_start").alias("start"), F.col("_n").alias("size"), "label")
    blocks = blocks.withColumn("_block_start", F.coalesce(F.sum("_n").over(before), F.lit(0)))
    blocks = blocks.withColumns({
        "start": F.min("_block_start").over(by_label),
        "size": F.sum("_n").over(by_label),
        "total": F.sum("_n").over(Window.partitionBy(*_GROUP)),
        # Of works and titles a family is one range; of clusters it has one in each.
        "_family": F.struct(
            F.min("_block_start").over(by_family).alias("start"),
            F.sum("_n").over(by_family).alias("size"),
        ),
        "_family_blocks": F.collect_list(F.when(by_cluster, block)).over(by_family),
    })  # fmt: skip
    in_other_clusters = F.transform(
        F.filter("_family_blocks", lambda b: b["label"] != F.col("label")),
        lambda b: F.struct(b["start"].alias("start"), b["size"].alias("size")),
    )
    own = F.array(F.struct("start", "size"))
    # `_draw_positions` steps over the ranges from left to right: they must be sorted.
    excluded = F.when(by_cluster, F.array_sort(F.concat(own, in_other_clusters)))
    n_excluded = F.aggregate(
        "excluded_ranges", F.lit(0).cast("long"), lambda n, excluded: n + excluded["size"]
    )
    blocks = blocks.withColumn("excluded_ranges", excluded.otherwise(F.array("_family")))
    return blocks.withColumn("n_allowed", F.col("total") - n_excluded).select(
        *_GROUP, "label", "family", "_block_start", "start", "size", "excluded_ranges", "n_allowed"
    )


def draw_anchors(positioned: DataFrame, config: SamplingConfig) -> DataFrame:
    """Return ``config.per_anchor`` rows of `positioned` for every strategy and anchor that can have them.

    Adds columns strategy, draw (from 0) and kind.
    """
    columns = [c for c in positioned.columns if c not in (*_GROUP, "recording_id")]
    entry = F.struct("layout", F.struct(*columns))
    anchors = positioned.groupBy("recording_id", "split").agg(
        F.map_from_entries(F.collect_list(entry)).alias("_places")
    )
    draw = F.explode(F.sequence(F.lit(0), F.lit(config.per_anchor - 1))).alias("draw")
    names = list(dict.fromkeys(config.strategies))
    strategy = F.explode(F.array(*map(F.lit, names))).alias("strategy")
    drawn = anchors.select("*", strategy).select("*", draw)
    kind = F.when(F.col("strategy") == "mix", _draw_kind(config))
    for name in set(names) - {"mix"}:
        kind = kind.when((F.col("strategy") == name) & _is_possible(name), name)
    layout_of = F.create_map(*[F.lit(x) for pair in LABEL_OF_KIND.items() for x in pair])
    drawn = drawn.withColumn("kind", kind).where("kind IS NOT NULL")
    drawn = drawn.withColumn("layout", layout_of[F.col("kind")])
    place = F.col("_places")[F.col("layout")]
    return drawn.withColumn("_", place).select("*", "_.*").drop("_", "_places")


def _is_possible(kind: str) -> Column:
    """Return whether an anchor can have triplets of a kind."""
    place = F.col("_places")[LABEL_OF_KIND[kind]]
    has_positive = F.lit(True) if kind == "augmentation" else place["size"] >= 2
    return F.coalesce((place["n_allowed"] > 0) & has_positive, F.lit(False))


def _draw_kind(config: SamplingConfig) -> Column:
    """Draw one of the kinds that the anchor can have, by their shares; null if there is none."""
    shares = {
        kind: F.when(_is_possible(kind), share).otherwise(0.0)
        for kind, share in config.mix_shares.items()
        if share
    }
    drawn = _uniform(config.seed, "kind") * sum(shares.values(), F.lit(0.0))
    upper, kind = F.lit(0.0), F.when(F.lit(False), "")
    for name, share in shares.items():
        upper = upper + share
        kind = kind.when(drawn < upper, name)
    return kind


def _draw_positions(drawn: DataFrame, seed: int) -> DataFrame:
    """Add the positions of the positive and the negative."""
    # A number among the label's other recordings, moved past the anchor.
    other = _draw_integer(F.col("size") - 1, seed, "positive")
    own = F.col("position") - F.col("start")
    another = F.col("start") + other + F.when(other >= own, 1).otherwise(0)
    positive = F.when(F.col("kind") == "augmentation", F.col("position")).otherwise(another)
    # A number among the allowed positions, moved past every excluded range that starts before it.
    negative = F.aggregate(
        "excluded_ranges",
        _draw_integer(F.col("n_allowed"), seed, "negative"),
        lambda at, excluded: at + F.when(at >= excluded["start"], excluded["size"]).otherwise(0),
    )
    return drawn.withColumns({"_positive": positive, "_negative": negative})


def _look_up_recordings(drawn: DataFrame, positioned: DataFrame, seed: int) -> DataFrame:
    """Replace positions by recordings; returns rows of `triplets`."""
    for role in ("positive", "negative"):
        recordings = positioned.select(
            *_GROUP, F.col("position").alias(f"_{role}"), F.col("recording_id").alias(role),
            F.col("label").alias(f"{role}_label"),
        )  # fmt: skip
        drawn = drawn.join(recordings, [*_GROUP, f"_{role}"])
    unmeasured = F.lit(None).cast("double")
    rows = drawn.withColumns({"distance_positive": unmeasured, "distance_negative": unmeasured})
    return to_rows(rows, seed)


def to_rows(drawn: DataFrame, seed: int) -> DataFrame:
    """Return rows of `triplets` from draws with positive and negative; adds the augmentation specs."""
    augmented = F.when(F.col("kind") == "augmentation", _draw_augmentation(seed))
    rows = drawn.withColumns(
        {"seed": F.lit(seed).cast("long"), "draw": F.col("draw").cast("int"), "augmentation": augmented}
    )  # fmt: skip
    return rows.withColumnsRenamed({"recording_id": "anchor", "label": "anchor_label"}).select(
        *TRIPLETS.column_names
    )


def summarize(triplets: DataFrame, candidates: DataFrame) -> dict[str, object]:
    """Count candidates by split, and triplets and anchors by strategy and kind."""
    counts = triplets.groupBy("strategy", "kind").agg(
        F.count("*").alias("triplets"), F.countDistinct("anchor").alias("anchors")
    )
    drawn = [r.asDict() for r in counts.orderBy("strategy", "kind").collect()]
    by_split = candidates.groupBy("split").agg(F.count("*").alias("n")).orderBy("split").collect()
    return {f"{r['split']}_recordings": r["n"] for r in by_split} | {"triplets": drawn}


def _uniform(seed: int, purpose: str) -> Column:
    """Draw a number from [0, 1) by anchor and draw."""
    hashed = F.xxhash64(F.lit(seed), F.lit(purpose), "recording_id", "draw")
    return F.pmod(hashed, F.lit(1 << 40)) / float(1 << 40)


def _draw_integer(n: Column, seed: int, purpose: str) -> Column:
    """Draw a number from 0 to n - 1 (0 where n is 0) by kind, anchor and draw."""
    hashed = F.xxhash64(F.lit(seed), F.lit(purpose), "kind", "recording_id", "draw")
    return F.pmod(hashed, F.greatest(n, F.lit(1))).cast("long")


def _draw_augmentation(seed: int) -> Column:
    """Draw a spec of `covers.audio.augmentation` as JSON; each effect is in half of the draws."""
    uniform = lambda purpose: _uniform(seed, f"augment {purpose}")  # noqa: E731
    effects = {
        "pitch_shift": F.floor(uniform("key") * 9).cast("int") - 4,
        "time_stretch": F.round(0.8 + uniform("tempo") * 0.45, 4),
        "timbre": F.round(uniform("timbre") * 0.5, 4),
        "eq": F.array(*(F.round(uniform(f"eq {i}") * 18 - 9, 2) for i in range(3))),
        "noise": F.round(0.02 + uniform("noise") * 0.1, 4),
    }
    chosen = [F.when(uniform(f"whether {n}") < 0.5, v).alias(n) for n, v in effects.items()]
    seed_of_noise = F.floor(uniform("seed") * (1 << 31)).cast("int").alias("seed")
    return F.to_json(F.struct(*chosen, seed_of_noise))
