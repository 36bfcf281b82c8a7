"""A wider UNet on pocket's latents, for the restoration toolkit."""
