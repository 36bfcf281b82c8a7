"""The loss between latents, which decodes nothing."""

import pytest
import torch

from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.recipe import resolve
from toolkit.streams import torch_stream
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import train_step


def system(**objective):
    tables = {
        "gen": {"use": "one-step", "lora_rank": 0},
        "disc": "none",
        "loss": "none",
        "objective": objective,
        "train": {"device": "cpu", "precision": "float32", "lr": 1e-4},
    }
    return build_system(resolve(tables, installed()), installed())


def batch():
    hr = torch.rand(2, 3, 64, 64, generator=torch_stream(0, "batch"))
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)


def test_it_is_the_mean_squared_error_of_the_latents(monkeypatch):
    made = system(latent=2.0)
    monkeypatch.setattr(made.generator, "decode", lambda _latent: pytest.fail("decoded"))
    with torch.no_grad():
        latent, wanted = (
            made.generator.predict(batch().lr).latent,
            made.generator.encode(batch().hr),
        )
        gap = (latent - wanted).square().mean().item()
    before = made.generator.unet.conv_out.weight.clone()
    losses = train_step(made, batch(), 0).losses
    assert losses == {"latent": pytest.approx(gap, rel=1e-4)}
    assert not torch.equal(before, made.generator.unet.conv_out.weight)
    assert train_step(made, batch(), 1).losses["latent"] < gap


def test_without_any_loss_there_is_nothing_to_train_by():
    with pytest.raises(UsageError, match="every loss has the weight 0"):
        system()


def test_steps_by_the_first_loss_alone_need_one():
    with pytest.raises(UsageError, match="first_loss_steps"):
        system(first_loss_steps=5)
