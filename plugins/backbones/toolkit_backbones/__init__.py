"""Pretrained latent diffusion models for the restoration toolkit."""
