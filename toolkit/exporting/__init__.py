"""Exports runs and restorers for other programs, with a model card."""

from __future__ import annotations

from toolkit.exporting.card import Export
from toolkit.exporting.graph import export_graph
from toolkit.exporting.weights import export_run

__all__ = ["Export", "export_graph", "export_run"]
