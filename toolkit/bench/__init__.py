"""Measuring: what a system's images are worth."""
