"""Exports runs and restorers for other programs, with a model card."""

from __future__ import annotations

from toolkit.exporting.card import CARD, Export
from toolkit.exporting.graph import export_graph
from toolkit.exporting.weights import Form, Keys, export_run

__all__ = ["CARD", "Export", "Form", "Keys", "export_graph", "export_run"]
