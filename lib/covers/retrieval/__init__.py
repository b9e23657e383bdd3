"""Embeddings of recordings, the search among them, and the classical baselines."""
