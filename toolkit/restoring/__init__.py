"""Applies restorers to files: tiling, colour correction, folders."""
