"""Columns of normalised names, and of the track id of a recording."""

from __future__ import annotations

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.catalog.names import normalise


@F.pandas_udf(T.StringType())  # type: ignore[call-overload]
def normalised(names: pd.Series) -> pd.Series:
    """Spark form of `normalise`."""
    return names.fillna("").map(normalise)


def track_id_of_recording() -> Column:
    """Return the id that a recording has among tracks: its catalogue row's, or ``rec:`` + recording_id."""
    return F.coalesce("track_id", F.concat(F.lit("rec:"), "recording_id"))
