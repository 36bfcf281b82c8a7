"""Discriminators for the restoration toolkit."""
