"""Audio: recordings, decoding, representations, attributes, and versions made from notes."""
