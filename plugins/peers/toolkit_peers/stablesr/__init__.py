"""StableSR: Stable Diffusion, modulated by features of the LR image in every residual block."""
