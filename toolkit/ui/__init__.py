"""A page for a browser that restores photographs: `toolkit ui`."""
