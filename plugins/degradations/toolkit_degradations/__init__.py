"""Degradation pipelines for the restoration toolkit."""
