"""Names without case, accents and punctuation, to compare them; the track id of a recording."""

from __future__ import annotations

import re
import unicodedata

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

_NO_DECOMPOSITION = str.maketrans(
    {
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ł": "l",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "&": " and ",
    }
)


def normalise(text: str) -> str:
    """Return a name without case, accents and punctuation; letters of every script stay.

    Examples
    --------
    >>> normalise("Beyoncé – Déjà Vu!"), normalise("Mø & Björk"), normalise("鼓動")
    ('beyonce deja vu', 'mo and bjork', '鼓動')
    """
    letters = unicodedata.normalize("NFKD", text.casefold().translate(_NO_DECOMPOSITION))
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", " ", plain).strip()


@F.pandas_udf(T.StringType())  # type: ignore[call-overload]
def normalised(names: pd.Series) -> pd.Series:
    """Spark form of `normalise`."""
    return names.fillna("").map(normalise)


def track_id_of_recording() -> Column:
    """Return the id that a recording has among tracks: its catalogue row's, or ``rec:`` + recording_id."""
    return F.coalesce("track_id", F.concat(F.lit("rec:"), "recording_id"))
