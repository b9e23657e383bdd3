"""Names that are the same but for case, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata

import pandas as pd
from pyspark.sql import functions as F
from pyspark.sql import types as T


def normalise(text: str) -> str:
    """Return a name without case, accents and punctuation.

    Examples
    --------
    >>> normalise("Beyoncé – Déjà Vu!")
    'beyonce deja vu'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", plain.casefold()).strip()


@F.pandas_udf(T.StringType())  # type: ignore[call-overload]
def normalised(names: pd.Series) -> pd.Series:
    """Spark form of `normalise`."""
    return names.fillna("").map(normalise)
