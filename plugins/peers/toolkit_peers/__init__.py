"""Published diffusion-based systems as restorers."""
