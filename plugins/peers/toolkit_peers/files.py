"""Finds the weight files of a system: in the user's folder, or else in the cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import weights
from toolkit.plugin import WeightsError, user_path
from toolkit_peers import published

if TYPE_CHECKING:
    from toolkit.plugin import Component, Context, WeightFile
    from toolkit_peers.options import CommonOptions

MADE = ("random", "tiny")
"""Values of an option `weights` that need no files."""
BASE = "sd21"
"""The backbone whose UNet and autoencoder the systems are built on."""
_BASE_PLACES = ("stable-diffusion-2-1-base", "stable-diffusion-2-base", "v2-1_512-ema-pruned.ckpt")


@dataclass(frozen=True)
class Files:
    """The files of one system.

    Attributes:
        paths: Paths of the files; empty if weights are random, or none are read.
        base: The option `weights` of the backbone.
        made: Whether weights are random, or none are read.
    """

    paths: Mapping[WeightFile, Path]
    base: str
    made: bool


def find_files(
    options: CommonOptions,
    context: Context,
    main: WeightFile,
    others: Iterable[WeightFile] = (),
    *,
    tagger: bool = False,
    unet: bool = True,
) -> Files:
    """Finds the files of a system, and fetches what is not here.

    It is called before libraries of networks are imported, which takes seconds, so that missing
    files are told at once, and all of them.

    Args:
        options: The system's options.
        context: The context in which it is built.
        main: The system's own file, which a single file of the user's replaces.
        others: Further files of its own.
        tagger: Whether it describes images with the tagger.
        unet: Whether it uses the backbone's UNet, beside its autoencoder.

    Raises:
        WeightsError: There is no such folder or file, or files are missing and cannot be fetched.
    """
    base = base_weights(options.weights, options.base)
    made = options.weights in MADE or not context.read_weights
    if made:
        return Files({}, base, made=True)
    text = _text_encoder_of(base)
    files = [main, *others, *(published.TAGGER if tagger else ())]
    files += [] if text else [published.TEXT_ENCODER]
    siblings = [file for file in published_base(context, base) if unet or "unet" not in file.name]
    paths = locate(options.weights, files, main, siblings)
    return Files({**paths, **text}, base, made=False)


def locate(
    given: str, files: Iterable[WeightFile], main: WeightFile, siblings: Iterable[WeightFile] = ()
) -> Mapping[WeightFile, Path]:
    """Returns the path of each file, after fetching what is not here.

    Args:
        given: A folder that holds some of the files under their authors' names; a file, in place of
            `main`; or empty for the published files.
        files: All files that are needed.
        main: The one that a single file replaces.
        siblings: Further files that are needed, to report everything that is missing at once.

    Raises:
        WeightsError: There is no such folder or file, or files are missing and cannot be fetched.
    """
    files = list(files)
    own = _own(given, files, main) if given else {}
    rest = [file for file in files if file not in own]
    fetched = weights.fetch_all([*rest, *siblings])
    return {**own, **dict(zip(rest, fetched, strict=False))}


def _text_encoder_of(base: str) -> dict[WeightFile, Path]:
    """The text encoder in the user's copy of Stable Diffusion, if it is there."""
    if not base or base in MADE:
        return {}
    path, file = user_path(base), published.TEXT_ENCODER
    if path.is_file():
        return {file: path}
    found = path / "text_encoder" / "model.safetensors"
    return {file: found} if found.is_file() else {}


def _own(given: str, files: list[WeightFile], main: WeightFile) -> dict[WeightFile, Path]:
    path = user_path(given)
    if path.is_file():
        return {main: path}
    if not path.is_dir():
        raise WeightsError(
            f"There is no folder or file {given!r} of weights.",
            f"Name {main.name}, or a folder that holds it; leave it out for the published weights.",
        )
    found = {
        file: path / place
        for file in files
        for place in reversed(file.places)
        if (path / place).is_file()
    }
    if not found:
        listed = "\n".join(f"  {file.places[0]}" for file in files)
        raise WeightsError(f"{path} holds no weights of this system.", f"It may hold:\n{listed}")
    return found


def base_weights(given: str, base: str) -> str:
    """Returns the `weights` of the backbone `sd21` for a system's options.

    Args:
        given: The system's own `weights`; a folder may hold Stable Diffusion, too.
        base: The user's choice, which takes precedence.
    """
    if base or given in MADE:
        return base or given
    if not given:
        return ""
    folder = user_path(given)
    places = (folder / each for each in _BASE_PLACES)
    return next((str(each) for each in places if each.exists()), "")


def published_base(context: Context, chosen: str) -> tuple[WeightFile, ...]:
    """Returns the backbone's published files, if these are chosen."""
    backbone: Component = context.find("backbone", BASE)
    return () if chosen else backbone.weights
