"""Where ComfyUI computes, and how it makes room."""

import torch


def get_torch_device():
    return torch.device("cpu")


def free_memory(memory_required, device, keep_loaded=()):
    return []


def soft_empty_cache(force=False):
    pass
