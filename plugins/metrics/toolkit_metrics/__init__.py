"""Image quality metrics for the restoration toolkit."""
