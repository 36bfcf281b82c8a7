"""Trains `pocket` from scratch; `make pocket` runs these commands in order.

    python -m toolkit_backbones.pretraining.vae     --out DIR
    python -m toolkit_backbones.pretraining.unet    --out DIR
    toolkit train --set backbone.weights=DIR --out RUN
    python -m toolkit_backbones.pretraining.publish --backbone DIR --run RUN

Each training resumes when interrupted, and uses a GPU if available.
"""
