"""The image tagger RAM with DAPE's low-rank updates, which prompts OSEDiff and SeeSR."""
