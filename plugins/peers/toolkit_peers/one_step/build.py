"""Builds the systems of one step from their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from toolkit.plugin import Checkpoint, Context, WeightsError, user_path
from toolkit_peers import published
from toolkit_peers.files import Files
from toolkit_peers.one_step import adapters, lora
from toolkit_peers.one_step.files import read_embedding, read_lora_file
from toolkit_peers.one_step.restorer import Adjustable, OneStep, Settings
from toolkit_peers.parts import Parts

if TYPE_CHECKING:
    from toolkit_peers.one_step.component import LoraFileOptions, OSEDiffOptions, PiSAOptions
    from toolkit_peers.one_step.restorer import Predict
    from toolkit_peers.options import SystemOptions
    from toolkit_peers.prompts import Prompts

_RANK, _ALPHA = 4, 8.0
"""Of OSEDiff and of both LoRAs of PiSA-SR."""
_PIXEL, _SEMANTIC = "pix", "sem"
"""What the names of PiSA-SR's adapters contain."""


def osediff(options: OSEDiffOptions, context: Context, files: Files) -> OneStep:
    """Builds OSEDiff: eq. 1 at t = 999, LoRA on the UNet and on the VAE's encoder."""
    parts = Parts(options, context, files)
    checkpoint = parts.checkpoint(published.OSEDIFF)
    unet, vae = parts.backbone.unet(), parts.backbone.vae()
    merging = {"all": (unet, vae), "vae": (vae,), "none": ()}[options.merged]
    for network, layers, replaced, section in (
        (unet, adapters.unet_layers(unet), adapters.REPLACED, "state_dict_unet"),
        (vae, adapters.vae_layers(vae), (), "state_dict_vae"),
    ):
        lora.inject(network, layers, _RANK, _ALPHA)
        if checkpoint is None:
            lora.randomise(network)
        else:
            held = checkpoint.part(section)
            lora.check_rank(held, _RANK)
            lora.load(network, held, replaced)
        if network in merging:
            parts.backbone.merge_lora(network)
    prompts = parts.prompts(
        options.prompt, lambda tags: f"{tags}, {options.prompt},", tagger=options.tagger
    )
    about = {"merged": options.merged}
    return _assembled("osediff", parts, unet, vae, _once(unet), prompts, _settings(options), about)


def pisa(options: PiSAOptions, context: Context, files: Files) -> OneStep:
    """Builds PiSA-SR: a residual at t = 1 by two LoRAs, each with a strength."""
    parts = Parts(options, context, files)
    checkpoint = parts.checkpoint(published.PISA_SR)
    unet = parts.backbone.unet()
    if checkpoint is None:
        layers = adapters.unet_layers(unet)
        both = {f"{name}_{kind}": layers[name] for kind in (_PIXEL, _SEMANTIC) for name in layers}
        lora.inject(unet, both, _RANK, options.alpha)
        lora.randomise(unet)
    else:
        both = _attach(unet, checkpoint.part("state_dict_unet"), options.alpha)
    pixel = [name for name in both if _PIXEL in name]
    if len(pixel) == len(both) or not all(_PIXEL in name or _SEMANTIC in name for name in both):
        assert checkpoint is not None
        raise WeightsError(
            f"{checkpoint.label} does not have PiSA-SR's two LoRAs; its adapters are: "
            f"{', '.join(both)}.",
            "For a single LoRA: --with lora-file:FILE",
        )
    if options.pixel == options.semantic == 1:
        parts.backbone.merge_lora(unet)
        predict = _once(unet)
    else:
        predict = _adjustable(unet, pixel, list(both), options)
    about = {"pixel": str(options.pixel), "semantic": str(options.semantic)}
    settings = _settings(options, rule="residual", timestep=1)
    prompts, vae = parts.prompts(options.prompt), parts.backbone.vae()
    return _assembled("pisa-sr", parts, unet, vae, predict, prompts, settings, about)


def lora_file(options: LoraFileOptions, context: Context, files: Files) -> OneStep:
    """Builds a system of one step from a LoRA file of the user's."""
    parts = Parts(options, context, files)
    unet, vae = parts.backbone.unet(), parts.backbone.vae()
    file = read_lora_file(options.file)
    for network, checkpoint in ((unet, file.unet), (vae, file.vae)):
        if checkpoint is not None:
            _attach(network, checkpoint, options.alpha)
            parts.backbone.merge_lora(network)
    about = {"file": user_path(options.file).name, "alpha": str(options.alpha)}
    prompts = parts.prompts(
        options.prompt, lambda tags: f"{tags}, {options.prompt},", tagger=options.tagger
    )
    predict = _once(unet)
    if options.embedding:
        embedding = read_embedding(options.embedding, parts.backbone.text_width)
        predict = _always(predict, embedding)
        about["embedding"] = user_path(options.embedding).name
    settings = _settings(options, rule=options.rule, timestep=options.timestep)
    return _assembled("lora-file", parts, unet, vae, predict, prompts, settings, about)


def _attach(network: nn.Module, checkpoint: Checkpoint, alpha: float | None) -> dict[str, Any]:
    """Adds the LoRA of a file, of any rank, to a network; returns its layers by adapter."""
    layers, rank = lora.adapters_of(checkpoint)
    known = {name for name, _ in network.named_modules()}
    if unknown := sorted({name for each in layers.values() for name in each} - known):
        raise WeightsError(
            f"{checkpoint.label} changes {unknown[0]}, which this network lacks.",
            "Name a LoRA file for Stable Diffusion 2.1 with diffusers' names.",
        )
    lora.inject(network, layers, rank, alpha or rank)
    lora.load(network, checkpoint, lora.replaced_by(checkpoint))
    return layers


def _settings(options: SystemOptions, **changes: Any) -> Settings:
    return Settings(
        colour=options.colour,
        seed=options.seed,
        latent_tile=options.latent_tile,
        latent_overlap=options.latent_overlap,
        **changes,
    )


def _assembled(
    name: str,
    parts: Parts,
    unet: nn.Module,
    vae: nn.Module,
    predict: Predict,
    prompts: Prompts,
    settings: Settings,
    about: Mapping[str, str] | None = None,
) -> OneStep:
    kind = Adjustable if settings.rule == "residual" else OneStep
    return kind(
        name=name,
        vae=vae,
        predict=predict,
        networks={"unet": unet, "vae": vae, **prompts.networks},
        prompts=prompts,
        settings=settings,
        latent_scaling=parts.backbone.latent_scaling,
        about=about or {},
    )


def _once(unet: Any) -> Predict:
    """Evaluates the UNet."""

    def predict(latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        found: Tensor = unet(latent, timestep, encoder_hidden_states=text).sample
        return found

    return predict


def _adjustable(unet: Any, pixel: list[str], both: list[str], options: PiSAOptions) -> Predict:
    """Weighs what the pixel-level LoRA finds, and what the semantic one finds beyond it."""
    whole = _once(unet)

    def predict(latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        lora.activate(unet, pixel)
        first = whole(latent, timestep, text)
        lora.activate(unet, both)
        second = whole(latent, timestep, text)
        return options.pixel * first + options.semantic * (second - first)

    return predict


def _always(predict: Predict, embedding: Tensor) -> Predict:
    """Evaluates the UNet with the same embeddings for every image."""

    def with_embedding(latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        return predict(latent, timestep, embedding.to(text))

    return with_embedding
