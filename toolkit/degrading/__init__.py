"""Makes LR images from HR images: numbered samples for training, and files for inspection."""
