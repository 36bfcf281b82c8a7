"""How `pocket` was made, on photographs: `make pocket` runs these in turn, and `toolkit train`.

    python -m toolkit_backbones.pretraining.vae     --out DIR
    python -m toolkit_backbones.pretraining.unet    --out DIR
    toolkit train --set backbone.weights=DIR --out RUN
    python -m toolkit_backbones.pretraining.publish --backbone DIR --run RUN

Each training goes on where it was stopped, and runs on a GPU where there is one.
"""
