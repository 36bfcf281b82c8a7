"""One-step generators for the restoration toolkit."""
