"""Pages that open in a browser without a network: style, plots, and the page of a run."""
