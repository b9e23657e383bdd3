"""Songs as notes, and unlike versions of them as audio or as features."""
