"""LR images from HR images: samples by number for training, and files for people to look at."""
