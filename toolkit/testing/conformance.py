"""A check for each kind of component: members, shapes, range, gradients, reproducibility.

Components are built with their `tiny` options. A check raises `AssertionError` if it fails.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from toolkit.abilities import Replayable, is_recorded
from toolkit.component import Component, Context, Kind
from toolkit.devices import uses_autocast
from toolkit.discovery import installed
from toolkit.errors import DataError
from toolkit.interfaces import (
    Backbone,
    Dataset,
    Degradation,
    Discriminator,
    Generator,
    Metric,
    PerceptualLoss,
    Restorer,
    Trainable,
)
from toolkit.makers import Maker, admit
from toolkit.streams import stream, torch_stream
from toolkit.testing.trackers import check_tracker

_SIDE = 64
_SCORED = 224
"""Side of the images for metrics, which all of them accept."""

_ALIKE = 0.95
"""Minimum cosine similarity between gradients in bfloat16 and in float32."""


def check_component(component: Component) -> None:
    """Builds a component with its tiny options and checks it against the interface of its kind.

    Raises:
        AssertionError: A check failed.
        ComponentError: It lacks members of its kind.
    """
    assert component.summary, "a component needs a summary"
    for name, field in component.options.model_fields.items():
        assert field.description, f"option {name!r} needs a docstring"
    options = component.options.model_validate(dict(component.tiny))
    try:
        built = component.build(options, Context(installed()))
    except DataError as error:
        if component.origin and component.origin in error.hint:
            return  # the data cannot be redistributed, and the error says where to obtain them
        raise
    _CHECKS[component.kind](admit(built, Maker(component.kind, component.name, "this plugin")))


def check_backbone(backbone: Backbone) -> None:
    """Checks that the parts of a backbone fit its properties, and are frozen."""
    vae, unet = backbone.vae(), backbone.unet()
    assert len(backbone.fingerprint) >= 16
    parameters = [*vae.parameters(), *unet.parameters()]
    assert not any(parameter.requires_grad for parameter in parameters), "parts must be frozen"
    with torch.no_grad():
        latent = vae.encode(_image(1) * 2 - 1).latent_dist.mode() * backbone.latent_scaling
        side = _SIDE // backbone.factor
        assert latent.shape == (1, backbone.latent_channels, side, side)
        half = backbone.condition()(1, torch.bfloat16)["encoder_hidden_states"]
        assert half.dtype == torch.bfloat16, "a condition must have the requested dtype"
        arguments = backbone.condition()(1, latent.dtype)
        assert arguments["encoder_hidden_states"].shape[1:] == (
            backbone.text_tokens,
            backbone.text_width,
        )
        assert unet(latent, 399, **arguments).sample.shape == latent.shape
    assert backbone.lora_layers, "lora_layers must contain at least one list"
    for layers in backbone.lora_layers:
        added = backbone.add_lora(backbone.unet(), 2, 2.0, layers)
        assert added, f"the LoRA list {layers!r} matches no layer"
        assert all(weight.requires_grad for weight in added.values()), "LoRA must be trainable"
    schedule = backbone.alphas_cumprod()
    assert schedule.shape == (1000,)
    assert bool((schedule.diff() < 0).all()), "alphas_cumprod must decrease"
    with torch.no_grad():
        altered = next(unet.parameters()).add_(1)
    assert not torch.equal(next(backbone.unet().parameters()), altered), (
        "unet() must return a new module"
    )
    first, second = (next(backbone.unet(shared=True).parameters()) for _ in range(2))
    assert torch.equal(first, second), "unet(shared=True) must have the same weights"


def check_generator(generator: Generator) -> None:
    """Checks predictions, gradients to all parameters, `encode`, state and restorer."""
    lr = _image(2, _SIDE // generator.scale)
    prediction = generator.predict(lr)
    assert prediction.image.shape == (2, 3, _SIDE, _SIDE)
    _check_gradients(generator, prediction.image.mean() + prediction.latent.mean())
    encoded = generator.encode(_image(2))
    assert encoded.shape == prediction.latent.shape
    assert not encoded.requires_grad, "encode must give no gradients"
    _check_state(generator)
    check_restorer(generator.as_restorer())


def check_discriminator(judge: Discriminator) -> None:
    """Checks logits, their reproducibility and dtype, gradients, and state."""
    assert judge.judges in ("latents", "images", "nothing")
    if judge.judges == "nothing":
        assert not judge.trainable()
    else:
        x = _image(2) if judge.judges == "images" else _latents()
        logits = judge.logits(x, torch_stream(0, "draws"))
        assert logits.shape[:2] == (2, 1), "logits must be [b, 1, regions...]"
        assert torch.equal(logits, judge.logits(x, torch_stream(0, "draws")))
        judge.observe(logits.detach(), logits.detach())
        _check_gradients(judge, logits.mean())
        x = x.clone().requires_grad_(True)
        judge.logits(x, torch_stream(0, "draws")).mean().backward()  # type: ignore[no-untyped-call]
        assert x.grad is not None, "gradients must reach the input of logits"
        assert x.grad.abs().sum() > 0, "gradients must reach the input of logits"
        _check_precision(judge, lambda x: judge.logits(x, torch_stream(0, "draws")), x.detach())
    _check_state(judge)


def check_loss(loss: PerceptualLoss) -> None:
    """Checks shape and dtype, the minimum at identity, and finite gradients on flat images."""
    target = _image(2)
    for image in (_image(2, seed=1), torch.zeros(2, 3, _SIDE, _SIDE), target):
        prediction = image.clone().requires_grad_(True)
        distance = loss(prediction, target)
        assert distance.shape == (2,), "a loss must return one distance per image"
        distance.sum().backward()  # type: ignore[no-untyped-call]
        assert prediction.grad is not None, "gradients must reach the prediction"
        assert bool(prediction.grad.isfinite().all()), "gradients must be finite"
    at_identity, elsewhere = loss(target, target).max(), loss(_image(2, seed=1), target).min()
    assert elsewhere.item() > at_identity.item(), "equal images must have the smallest distance"
    _check_precision(loss, lambda x: loss(x, target), _image(2, seed=1))


def check_degradation(degradation: Degradation) -> None:
    """Checks size, range, and that only the stream determines LR; HR must not be modified.

    A `Replayable` one must reproduce LR from its histories, and in batches; a `recorded` one must
    refuse to make LR.
    """
    images = _image(4)
    before = images.clone()
    assert degradation.scale >= 1
    assert degradation.target(images[0]).shape == images[0].shape, "a target must have HR's size"
    if is_recorded(degradation):
        _check_refuses(degradation, images[0])
        return
    results = []
    for number, hr in enumerate(images):
        lr = degradation(hr, stream(0, "degradation", number))
        side = _SIDE // degradation.scale
        assert lr.shape == (3, side, side), "LR must have HR's size divided by the scale"
        assert lr.dtype == torch.float32
        assert bool(lr.isfinite().all())
        assert 0 <= lr.min() <= lr.max() <= 1, "LR must be in [0, 1]"
        again = degradation(hr, stream(0, "degradation", number))
        assert torch.equal(lr, again), "only the stream may determine LR"
        results.append(lr)
    if isinstance(degradation, Replayable):
        _check_replays(degradation, images, results)
    assert torch.equal(images, before), "the HR image must not be modified"


def check_metric(metric: Metric) -> None:
    """Checks scores, `[b]`, finite and better for equal images, and the fingerprint."""
    assert metric.direction in ("higher", "lower")
    assert metric.fingerprint, "a metric needs a fingerprint"
    hr, noise = _image(2, _SCORED), _image(2, _SCORED, seed=1)
    if not metric.needs_reference:
        same = metric(hr)
        assert same.shape == (2,)
        assert bool(same.isfinite().all())
        torch.testing.assert_close(metric(hr), same, rtol=0, atol=0)
        return
    same, other = metric(hr, hr), metric(noise, hr)
    assert same.shape == (2,)
    assert bool(torch.stack([same, other]).isfinite().all())
    better = same > other if metric.direction == "higher" else same < other
    assert bool(better.all()), "equal images must score better than different ones"


def check_dataset(dataset: Dataset) -> None:
    """Checks that photographs are named, in [0, 1], and the same in every reading."""
    assert len(dataset) > 0
    sample = dataset[0]
    assert sample.name
    assert sample.hr.shape[0] == 3
    image = sample.hr if sample.lr is None or sample.hr.numel() else sample.lr
    assert 0 <= image.min() <= image.max() <= 1
    assert torch.equal(sample.hr, dataset[0].hr)


def check_restorer(restorer: Restorer) -> None:
    """Checks that images of any size are enlarged by `scale`, in [0, 1], without gradients."""
    for height, width in ((16, 16), (13, 21), (1, 1)):
        lr = torch.rand(1, 3, height, width, generator=torch_stream(0, "image"))
        sr = restorer(lr)
        assert sr.shape == (1, 3, restorer.scale * height, restorer.scale * width)
        assert 0 <= sr.min() <= sr.max() <= 1
        assert not sr.requires_grad


def _check_refuses(degradation: Degradation, hr: Tensor) -> None:
    try:
        degradation(hr, stream(0, "degradation", 0))
    except DataError:
        return
    raise AssertionError("a recorded degradation must raise DataError when called")


def _check_replays(degradation: Replayable, images: Tensor, results: list[Tensor]) -> None:
    """Checks that histories, and batches in any order, reproduce the LR images."""
    for index, (hr, lr) in enumerate(zip(images, results, strict=True)):
        history = degradation.describe(0, index)
        assert history == degradation.describe(0, index), "describe must be reproducible"
        again = json.loads(json.dumps(history))
        assert torch.equal(degradation.apply(hr, again), lr), "apply must reproduce LR"
    for order in ([0, 1, 2], [2, 0, 1], [3]):
        together = degradation.batch(images[order], 0, order)
        single = torch.stack([results[index] for index in order])
        assert torch.equal(together, single), "a batch must equal its images one by one"


def _check_precision(part: object, call: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Checks for float32, also in autocast if declared, with nearly the same gradient."""
    exact = _gradient(call, x)
    if uses_autocast(part):
        with torch.autocast("cpu", torch.bfloat16):
            rounded = _gradient(call, x)
        similarity = torch.cosine_similarity(exact.flatten(), rounded.flatten(), dim=0).item()
        assert similarity > _ALIKE, f"autocast changes the gradient: cosine {similarity:.2f}"


def _gradient(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_(True)
    values = call(x)
    assert values.dtype == torch.float32, f"returned {values.dtype} for float32"
    (gradient,) = torch.autograd.grad(values.sum(), x)
    return gradient


def _check_gradients(part: Trainable, scalar: Tensor) -> None:
    parameters = part.trainable()
    scalar.backward()  # type: ignore[no-untyped-call]
    without = [name for name, parameter in parameters.items() if parameter.grad is None]
    assert not without, f"no gradient reaches {without[:3]}"
    for parameter in parameters.values():
        parameter.grad = None


def _check_state(part: Trainable) -> None:
    """Checks that the state contains all trainable parameters, and can be restored."""
    state = {name: tensor.clone() for name, tensor in part.state().items()}
    assert part.trainable().keys() <= state.keys()
    assert all(math.prod(tensor.shape) > 0 for tensor in state.values())
    part.load_state({name: tensor + 1 for name, tensor in state.items()})
    for name, tensor in part.state().items():
        assert torch.equal(tensor, state[name] + 1), f"{name} was not restored"
    part.load_state(state)


def _image(count: int, side: int = _SIDE, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch_stream(seed, "image"))


def _latents() -> Tensor:
    """Returns latents of the default backbone, which every discriminator of latents accepts."""
    channels = Context(installed()).make_backbone().latent_channels
    return torch.randn(2, channels, 16, 16, generator=torch_stream(0, "latents"))


_CHECKS: dict[Kind, Callable[[Any], None]] = {
    "backbone": check_backbone,
    "generator": check_generator,
    "discriminator": check_discriminator,
    "loss": check_loss,
    "degradation": check_degradation,
    "metric": check_metric,
    "dataset": check_dataset,
    "restorer": check_restorer,
    "tracker": check_tracker,
}
