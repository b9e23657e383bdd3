"""Tracks as six numbers: parsing, features, clusters, similarity and the classifier."""
