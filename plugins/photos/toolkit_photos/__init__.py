"""Photographs to train and test on, and folders of your own, for the restoration toolkit."""
