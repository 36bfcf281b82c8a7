"""Restorers that need no training, for the restoration toolkit."""
