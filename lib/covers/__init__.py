"""Cover songs: catalogue, audio, triplets, siamese networks, retrieval and its evaluation."""

__version__ = "0.2.0"
