"""Evaluation of restored images: pairing, scores, statistics, comparison."""
