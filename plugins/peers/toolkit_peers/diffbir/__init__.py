"""DiffBIR v2."""
