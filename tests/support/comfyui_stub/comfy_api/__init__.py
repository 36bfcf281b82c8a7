"""A stub of ComfyUI's API with the signatures of ComfyUI 0.3.64, which checks schemas strictly."""
