"""How `pocket` was made: first its autoencoder, then its noise prediction, on photographs.

    python -m toolkit_backbones.pretraining.vae  --out DIR
    python -m toolkit_backbones.pretraining.unet --out DIR

Both go on where they were stopped, and run on a GPU where there is one.
"""
