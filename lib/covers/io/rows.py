"""One Python function over every row of a DataFrame, in Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema


def map_rows(
    frame: DataFrame,
    function: Callable[[dict], Iterable[dict]],
    schema: T.StructType,
    *,
    spread_by: str,
) -> DataFrame:
    """Return the rows that ``function`` makes of each row (as dicts), spread evenly over tasks.

    Absent keys become null. A row is one unit of work: files and songs, not table rows.
    """
    arrow = to_arrow_schema(schema)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                made = list(function(row))
                if made:
                    yield pa.RecordBatch.from_pylist(made, schema=arrow)

    n_tasks = frame.sparkSession.sparkContext.defaultParallelism
    return frame.repartition(4 * n_tasks, spread_by).mapInArrow(work, schema)
