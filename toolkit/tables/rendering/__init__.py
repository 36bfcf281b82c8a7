"""Rendering of a measured table: as lines, as Markdown, and as a page."""
