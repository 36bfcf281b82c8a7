"""Checks of what `build` returns, with and without weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from toolkit import members
from toolkit.errors import ComponentError
from toolkit.testing.samples import image, modules_of
from toolkit.testing.subject import Subject, demand

_LARGE = 100_000_000
"""Parameters that a test can still build."""


def contract(subject: Subject) -> None:
    """Checks that `build` returns an object with the members of its kind, small with `tiny`."""
    made, kind = subject.made, subject.component.kind
    if kind in ("backbone", "generator"):
        members.identity(made)
    if kind == "dataset":
        members.skipped(made)
        members.files(made)
    if kind == "loss":
        members.frozen_bytes(made, image(2))
    if kind == "backbone":
        return
    count = sum(
        parameter.numel()
        for parameter in {
            id(each): each for module in modules_of(made).values() for each in module.parameters()
        }.values()
    )
    demand(
        count < _LARGE,
        f"it has {count / 1e6:.0f} M parameters with its `tiny` options; add `tiny` options that "
        "make it small enough for a test",
    )


def meta(subject: Subject) -> None:
    """Checks networks built with `context.read_weights` false: the same shapes, without values."""
    try:
        with torch.device("meta"):
            hollow = subject.build(read_weights=False)
    except ComponentError as error:
        raise AssertionError(
            "cannot be built on the meta device, as for counting costs; if "
            f"`context.read_weights` is false, read no files: {error}"
        ) from error
    parts, real = _networks(subject, hollow), _networks(subject, subject.made)
    demand(
        parts.keys() == real.keys(),
        f"without weights it has the networks {sorted(parts)}, not {sorted(real)}",
    )
    for name, network in parts.items():
        wanted = {key: value.shape for key, value in real[name].named_parameters()}
        for key, parameter in network.named_parameters():
            demand(
                parameter.is_meta,
                f"{key!r} of {name} has values on {parameter.device} although "
                "`context.read_weights` is false",
            )
        shapes = {key: value.shape for key, value in network.named_parameters()}
        differing = sorted(
            key for key in shapes.keys() | wanted.keys() if shapes.get(key) != wanted.get(key)
        )
        demand(
            not differing,
            f"without weights, {name} has other parameters than with them: {differing[:3]}",
        )


def _networks(subject: Subject, made: Any) -> dict[str, nn.Module]:
    if subject.component.kind == "backbone":
        return {"vae": made.vae(), "unet": made.unet()}
    return modules_of(made)
