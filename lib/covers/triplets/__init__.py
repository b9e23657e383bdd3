"""Triplets at scale: which recordings are anchor, positive and negative, never their tensors."""
