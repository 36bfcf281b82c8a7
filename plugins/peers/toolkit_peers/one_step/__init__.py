"""Systems of one step: LoRA on Stable Diffusion."""
