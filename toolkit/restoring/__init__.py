"""From a restorer to restored files: tiles, colour, folders."""
