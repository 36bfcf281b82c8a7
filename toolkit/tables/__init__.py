"""Tables of the paper, and of one's own: their rows as data, measured, compared and shown."""
