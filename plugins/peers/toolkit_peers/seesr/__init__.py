"""SeeSR: Stable Diffusion, prompted by a tagger and controlled by the LR image."""
