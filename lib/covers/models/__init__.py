"""Networks: architectures, weights, cards, ensembles, and the similarity of their embeddings."""
