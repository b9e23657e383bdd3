"""Cover songs: catalogue, audio, triplets, siamese networks, retrieval and its evaluation."""
