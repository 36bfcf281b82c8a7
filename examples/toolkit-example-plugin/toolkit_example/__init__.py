"""An example plugin for the restoration toolkit: one loss and one discriminator."""
