"""Siamese networks trained on triplets across workers, straight from Delta."""
