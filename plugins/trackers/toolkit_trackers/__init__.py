"""Trackers for the restoration toolkit."""
