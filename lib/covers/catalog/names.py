"""Names without case, accents and punctuation, to compare them."""

from __future__ import annotations

import re
import unicodedata

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
