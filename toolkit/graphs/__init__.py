"""Restorers as ONNX graphs: `writing.py` makes a file of one, `running.py` restores with it."""

from __future__ import annotations

from toolkit.graphs.installed import check_installed, versions
from toolkit.graphs.running import GraphRestorer
from toolkit.graphs.writing import network_of, write_graph

__all__ = ["GraphRestorer", "check_installed", "network_of", "versions", "write_graph"]
