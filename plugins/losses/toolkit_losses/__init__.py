"""Pixel and perceptual losses for the restoration toolkit."""
