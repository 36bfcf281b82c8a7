"""Training: the visible step, the order of the data, the state that makes resuming exact."""
