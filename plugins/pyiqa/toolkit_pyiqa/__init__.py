"""Metrics of pyiqa for the restoration toolkit."""
