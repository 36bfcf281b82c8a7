"""A comparison of restorers on a user's own images: `toolkit figure crops`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.colour_profiles import read_photo
from toolkit.contracts import move
from toolkit.errors import UsageError
from toolkit.evaluation.pairing import MOST_CUT
from toolkit.figures.comparison import compare
from toolkit.figures.crops import Crop, parse_crop
from toolkit.figures.document import Figure, file_digest
from toolkit.figures.panels import Photograph, cropped, enlarged, same_size
from toolkit.image_files import existing
from toolkit.images import Picture
from toolkit.restoring.opening import digest_of_weights, open_restorer
from toolkit.restoring.pictures import restore_picture
from toolkit.restoring.treatment import Treatment, colour_for

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from toolkit.registry import Registry

TITLE = "Restorers side by side"


def own_figure(
    sources: Sequence[str],
    images: Sequence[str],
    originals: Sequence[str],
    crop: str,
    registry: Registry,
    device: torch.device,
    on_work: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
) -> Figure:
    """Restores images with several restorers, and shows the same crop of each.

    Args:
        sources: Restorers and runs, as `--with` names them.
        images: Files.
        originals: Files of the originals, one for each image; or none.
        crop: `X,Y,SIDE` in pixels of the restored image, or `auto`.
        registry: Supplies the restorers.
        device: Where they work.
        on_work: Told of each restoration: what, how many are done, of how many.

    Raises:
        UsageError: A file, a restorer or the crop does not exist.
        ToolkitError: An image cannot be read or restored.
    """
    if originals and len(originals) != len(images):
        raise UsageError(
            f"{len(originals)} --hr for {len(images)} --image.",
            "Give one original for each image, in the same order, or none.",
        )
    asked = parse_crop(crop)
    files = [existing(Path(each)) for each in images]
    references: list[Path | None] = [existing(Path(each)) for each in originals]
    references = references or [None] * len(files)
    pixels = [read_photo(path) for path in files]
    results: list[dict[str, Any]] = [{} for _ in files]
    systems = {}
    for number, source in enumerate(sources):
        restorer = open_restorer(source, registry, {})
        systems[source] = {"name": restorer.name, "weights": digest_of_weights(restorer)}
        treatment = Treatment(None, colour_for(restorer, None))
        treatment.check(restorer)
        move(restorer, device)
        for index, lr in enumerate(pixels):
            on_work(f"{source}: {files[index].name}", number * len(files) + index,
                    len(sources) * len(files))  # fmt: skip
            restored, _ = restore_picture(restorer, Picture(lr), treatment, device=device)
            results[index][_label(source)] = restored.rgb.cpu()
    shown = [
        cropped(_photograph(file, lr, found, hr), asked)[0]
        for file, lr, found, hr in zip(files, pixels, results, references, strict=True)
    ]
    return compare("crops", TITLE, shown, registry, {"systems": systems})


def _label(source: str) -> str:
    """A run is called by its folder, without the way there."""
    return Path(source).name or source


def _photograph(
    file: Path, lr: torch.Tensor, found: dict[str, torch.Tensor], hr: Path | None
) -> Photograph:
    results = same_size(found)
    size = next(iter(results.values())).shape[1:]
    original, digests = None, {"LR": file_digest(file)}
    if hr:
        original, digests["HR"] = read_photo(hr), file_digest(hr)
        spare = [own - wanted for own, wanted in zip(original.shape[1:], size, strict=True)]
        if not all(0 <= each < MOST_CUT for each in spare):
            raise UsageError(
                f"{hr} has {original.shape[2]}x{original.shape[1]} px, but the restored image "
                f"{size[1]}x{size[0]}.",
                "Name the original of the same view, at the restored size, or leave out --hr.",
            )
        original = original[:, : size[0], : size[1]]
    whole = Crop(0, 0, min(size))
    return Photograph(file.stem, enlarged(lr, size), original, results, digests, whole)
