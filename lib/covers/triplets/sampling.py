"""Anchor, positive and negative for every anchor, exactly, without a cross join.

*Conventions.* Candidates of one split are laid in one row, so that those of one label are
neighbours; each label then owns a range of positions, and what may not be a negative (the label's,
and the family's: see `covers.triplets.candidates`) is a few ranges. A positive is a position inside
the label's range, a negative one outside all of these, both drawn by a hash of (seed, anchor,
draw): the same whatever the partitions, no rejection, and a label that holds half of all
recordings costs no more than a small one. Strategies:

``cluster``       label = cluster of the recording's track; positive = another of the cluster
``augmentation``  label = work; positive = the anchor, augmented by a drawn spec
``clique``        label = work; positive = another version of the work
``title``         label = title; positive = another recording with it: likely, not surely, a version
``mix``           each draw takes one of the kinds that the anchor can have, by weight

References
----------
The write-ups: cluster triplets ("Triplets from Music Info"), augmentation ("Deployment").
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from covers.schemas.triplets import TRIPLETS

LAYOUTS = {"cluster": "cluster", "augmentation": "work", "clique": "work", "title": "title"}
KINDS = tuple(LAYOUTS)
STRATEGIES = (*KINDS, "mix")
MIX = {"cluster": 1.0, "augmentation": 1.0, "clique": 1.0}
_NAMES = {"work": "work_id", "title": "title", "cluster": "cluster"}
_ROW = ["layout", "split"]


def generate(
    found: DataFrame,
    names: Sequence[str],
    *,
    per_anchor: int,
    seed: int,
    weights: Mapping[str, float] = MIX,
) -> DataFrame:
    """Return rows of `triplets`: ``per_anchor`` for every anchor that can have them, by strategy.

    Takes the columns of `candidates`. Anchors that are alone under their label, or beside which
    there is no other family, have none. ``weights`` are the shares of the kinds in a mix.

    Raises
    ------
    ValueError
        If a strategy is unknown or per_anchor is not positive.
    """
    laid = lay_out(found, kinds_of(names, weights)).persist()  # three reads start from it
    drawn = _positions(draws(laid, names, per_anchor, seed, weights), seed)
    return _resolve(drawn, laid, seed)


def kinds_of(names: Sequence[str], weights: Mapping[str, float] = MIX) -> list[str]:
    """Return the kinds that the strategies draw from.

    Raises
    ------
    ValueError
        If a strategy or a weight is unknown or negative, or all weights are 0.
    """
    unknown = set(names) - set(STRATEGIES)
    if unknown:
        raise ValueError(f"strategy must be one of {STRATEGIES}, got {sorted(unknown)}")
    wrong = {k: w for k, w in weights.items() if k not in KINDS or not 0 <= w < float("inf")}
    if wrong or not sum(weights.values()):
        raise ValueError(
            f"weights must be numbers from 0 of {KINDS}, not all 0, got {wrong or dict(weights)}"
        )
    mixed = [k for k, w in weights.items() if w] if "mix" in names else []
    return [k for k in KINDS if k in names or k in mixed]


def weight(text: str) -> tuple[str, float]:
    """Parse KIND=X, a share of a mix; argparse prints the error."""
    kind, _, share = text.partition("=")
    if kind not in KINDS or not re.fullmatch(r"\d*\.?\d+", share) or not float(share):
        raise argparse.ArgumentTypeError(
            f"a weight must be KIND=X, one of {KINDS} and a number above 0, got {text!r}"
        )
    return kind, float(share)


def lay_out(found: DataFrame, kinds: Sequence[str]) -> DataFrame:
    """Lay the candidates in rows, one a layout (work, title, cluster) and split.

    Returns layout, split, recording_id, family, label, position; start and size of the label's
    range; gaps, the ranges (start, size) in which there is no negative; free, how many there are.
    """
    layouts = sorted({LAYOUTS[kind] for kind in kinds})
    label = F.explode(
        F.array(
            *[F.struct(F.lit(x).alias("layout"), F.col(_NAMES[x]).alias("label")) for x in layouts]
        )
    )
    found = found.select("recording_id", "family", "split", label.alias("_")).select("*", "_.*")
    found = found.drop("_").where("label IS NOT NULL")
    cells = _cells(found)
    turn = Window.partitionBy(*_ROW, "label", "family").orderBy("recording_id")
    numbered = found.withColumn("_turn", F.row_number().over(turn) - 1)
    laid = numbered.join(cells, [*_ROW, "label", "family"])
    return laid.withColumn("position", F.col("_at") + F.col("_turn")).drop("_turn", "_at")


def _cells(found: DataFrame) -> DataFrame:
    """Return a row for each label and family: where it starts, and what lies around it.

    Clusters are cut into families, families into works and titles.
    """
    by_cluster = F.col("layout") == "cluster"
    outer = F.when(by_cluster, F.col("label")).otherwise(F.col("family"))
    inner = F.when(by_cluster, F.col("family")).otherwise(F.col("label"))
    cells = found.groupBy(*_ROW, "label", "family").agg(F.count("*").alias("_n"))
    before = Window.partitionBy(*_ROW).orderBy(outer, inner)
    before = before.rowsBetween(Window.unboundedPreceding, -1)
    of = lambda name: Window.partitionBy(*_ROW, name)  # noqa: E731
    cells = cells.withColumn("_at", F.coalesce(F.sum("_n").over(before), F.lit(0)))
    cells = cells.withColumns(
        {
            "start": F.min("_at").over(of("label")),
            "size": F.sum("_n").over(of("label")),
            "total": F.sum("_n").over(Window.partitionBy(*_ROW)),
            # of a work or title, the family is one range; of a cluster, one in each other cluster
            "_whole": F.struct(
                F.min("_at").over(of("family")).alias("start"),
                F.sum("_n").over(of("family")).alias("size"),
            ),
            "_parts": F.collect_list(
                F.when(by_cluster, F.struct(F.col("_at").alias("start"), F.col("_n").alias("size"), "label"))
            ).over(of("family")),
        }
    )  # fmt: skip
    elsewhere = F.transform(
        F.filter("_parts", lambda part: part["label"] != F.col("label")),
        lambda part: F.struct(part["start"].alias("start"), part["size"].alias("size")),
    )
    own = F.array(F.struct("start", "size"))
    gaps = F.when(by_cluster, F.array_sort(F.concat(own, elsewhere))).otherwise(F.array("_whole"))
    taken = F.aggregate("gaps", F.lit(0).cast("long"), lambda n, gap: n + gap["size"])
    cells = cells.withColumn("gaps", gaps).withColumn("free", F.col("total") - taken)
    return cells.select(*_ROW, "label", "family", "_at", "start", "size", "gaps", "free")


def draws(
    laid: DataFrame, names: Sequence[str], per_anchor: int, seed: int, weights: Mapping[str, float]
) -> DataFrame:
    """Return ``per_anchor`` rows of `laid` for every strategy and anchor that can have them.

    Adds strategy, draw and kind.

    Raises
    ------
    ValueError
        If per_anchor is not positive.
    """
    if per_anchor < 1:
        raise ValueError(f"per_anchor must be at least 1, got {per_anchor}")
    place = F.struct(*[c for c in laid.columns if c not in (*_ROW, "recording_id")])
    entry = F.struct("layout", place)
    anchors = laid.groupBy("recording_id", "split").agg(
        F.map_from_entries(F.collect_list(entry)).alias("_at")
    )
    number = F.explode(F.sequence(F.lit(0), F.lit(per_anchor - 1))).alias("draw")
    strategy = F.explode(F.array(*map(F.lit, dict.fromkeys(names)))).alias("strategy")
    drawn = anchors.select("*", strategy).select("*", number)
    kind = F.when(F.col("strategy") == "mix", _kind_of_mix(weights, seed))
    for name in set(names) - {"mix"}:
        kind = kind.when((F.col("strategy") == name) & _can(name), name)
    layout_of = F.create_map(*[F.lit(x) for pair in LAYOUTS.items() for x in pair])
    drawn = drawn.withColumn("kind", kind).where("kind IS NOT NULL")
    drawn = drawn.withColumn("layout", layout_of[F.col("kind")])
    return drawn.withColumn("_", F.col("_at")[F.col("layout")]).select("*", "_.*").drop("_", "_at")


def _can(kind: str) -> Column:
    """Tell whether an anchor can have triplets of a kind."""
    place = F.col("_at")[LAYOUTS[kind]]
    lone = F.lit(False) if kind == "augmentation" else place["size"] < 2
    return F.coalesce((place["free"] > 0) & ~lone, F.lit(False))


def _kind_of_mix(weights: Mapping[str, float], seed: int) -> Column:
    """Draw one of the kinds that the anchor can have; null if there is none."""
    share = {name: F.when(_can(name), w).otherwise(0.0) for name, w in weights.items() if w}
    pick = _uniform(seed, "kind") * sum(share.values(), F.lit(0.0))
    low, kind = F.lit(0.0), F.when(F.lit(False), "")
    for name, weight in share.items():
        low = low + weight
        kind = kind.when(pick < low, name)
    return kind


def _positions(drawn: DataFrame, seed: int) -> DataFrame:
    """Add the positions of the positive and the negative."""
    own = F.col("position") - F.col("start")
    other = _pick(F.col("size") - 1, seed, "positive")
    another = F.col("start") + other + F.when(other >= own, 1).otherwise(0)
    positive = F.when(F.col("kind") == "augmentation", F.col("position")).otherwise(another)
    negative = F.aggregate(
        "gaps",
        _pick(F.col("free"), seed, "negative"),
        lambda at, gap: at + F.when(at >= gap["start"], gap["size"]).otherwise(0),
    )
    return drawn.withColumns({"_positive": positive, "_negative": negative})


def _resolve(drawn: DataFrame, laid: DataFrame, seed: int) -> DataFrame:
    """Turn positions into recordings."""
    for name in ("positive", "negative"):
        at = laid.select(
            *_ROW, F.col("position").alias(f"_{name}"), F.col("recording_id").alias(name),
            F.col("label").alias(f"{name}_label"),
        )  # fmt: skip
        drawn = drawn.join(at, [*_ROW, f"_{name}"])
    nothing = F.lit(None).cast("double")
    return as_rows(
        drawn.withColumns({"distance_positive": nothing, "distance_negative": nothing}), seed
    )


def as_rows(drawn: DataFrame, seed: int) -> DataFrame:
    """Return rows of `triplets` of draws whose positive and negative are found."""
    augmented = F.when(F.col("kind") == "augmentation", _augmentation(seed))
    rows = drawn.withColumns(
        {"seed": F.lit(seed).cast("long"), "draw": F.col("draw").cast("int"), "augmentation": augmented}
    )  # fmt: skip
    return rows.withColumnsRenamed({"recording_id": "anchor", "label": "anchor_label"}).select(
        *TRIPLETS.column_names
    )


def summary(triplets: DataFrame, found: DataFrame) -> dict[str, object]:
    """Count candidates by split, and triplets and anchors by strategy and kind."""
    counts = triplets.groupBy("strategy", "kind").agg(
        F.count("*").alias("triplets"), F.countDistinct("anchor").alias("anchors")
    )
    drawn = [r.asDict() for r in counts.orderBy("strategy", "kind").collect()]
    by_split = found.groupBy("split").agg(F.count("*").alias("n")).orderBy("split").collect()
    return {f"recordings for {r['split']}": r["n"] for r in by_split} | {"triplets": drawn}


def _uniform(seed: int, purpose: str) -> Column:
    """Draw a number from 0 to 1, by anchor and draw."""
    hashed = F.xxhash64(F.lit(seed), F.lit(purpose), "recording_id", "draw")
    return F.pmod(hashed, F.lit(1 << 40)) / float(1 << 40)


def _pick(n: Column, seed: int, purpose: str) -> Column:
    """Draw a number from 0 to n-1 (0 where n is 0), by kind, anchor and draw."""
    hashed = F.xxhash64(F.lit(seed), F.lit(purpose), "kind", "recording_id", "draw")
    return F.pmod(hashed, F.greatest(n, F.lit(1))).cast("long")


def _augmentation(seed: int) -> Column:
    """Draw a spec for `covers.audio.augmentation`, as JSON; each effect is there in half of the draws."""
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
