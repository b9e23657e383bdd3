"""Augmentations as data: a checked spec, applied to a tensor or to a waveform.

*Conventions.* A spec is a JSON object: names of `spec.EFFECTS` with their values, and a ``seed`` for
the random ones. Effects are applied in the order of `spec.EFFECTS`, whatever the object's order. The
same input and spec give the same bits, so an augmented example is stored as a row number and a spec.
``crop`` and ``mask`` are [start, length] as fractions of the whole.
"""
