"""The tags of the tagger: their names, and the probabilities from which they apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from toolkit.plugin import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_HINT = "Use the published file, which has one line per tag."


@dataclass(frozen=True)
class Tags:
    """Tags in the order of the network's logits.

    Attributes:
        names: Their names.
        thresholds: The probability that each must exceed.
    """

    names: tuple[str, ...]
    thresholds: tuple[float, ...]

    def found(self, logits: Tensor) -> str:
        """Names the tags of an image, in their order, joined by commas.

        Args:
            logits: `[N]`, float32.

        Returns:
            The text; empty if no tag applies.

        Example:
            >>> Tags(("cat", "dog", "tree"), (0.5, 0.5, 0.9)).found(torch.tensor([1.0, 0.0, 9.0]))
            'cat, tree'
        """
        probabilities = logits.cpu().sigmoid()
        # In float32, as the probabilities are.
        applies = probabilities > torch.tensor(self.thresholds, device="cpu")
        return ", ".join(self.names[index] for index in applies.nonzero().flatten().tolist())


def placeholders(count: int) -> Tags:
    """Makes tags for networks without weights: `tag0000` and so on, all from 0.65."""
    return Tags(tuple(f"tag{index:04d}" for index in range(count)), (0.65,) * count)


def read_tags(names: Path, thresholds: Path, count: int) -> Tags:
    """Reads tags from two text files, with one tag or threshold per line.

    Args:
        names: The tags' names.
        thresholds: Their thresholds, in [0, 1].
        count: Number of tags of the network.

    Raises:
        WeightsError: A file is missing or not text, or has another number of lines; a name is
            empty; or a threshold is no number in [0, 1].
    """
    found = _lines(names, count)
    for number, name in enumerate(found, 1):
        if not name:
            raise WeightsError(f"{names} names no tag in line {number}.", _HINT)
    numbers = [
        _threshold(line, thresholds, number)
        for number, line in enumerate(_lines(thresholds, count), 1)
    ]
    return Tags(tuple(found), tuple(numbers))


def _lines(path: Path, count: int) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WeightsError(f"There is no {path}.", "Is the download complete?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is not a text file: {error}", _HINT) from error
    lines = text.removesuffix("\n").split("\n")
    if len(lines) != count:
        raise WeightsError(
            f"{path} has {len(lines)} lines, but the tagger has {count} tags.", _HINT
        )
    return lines


def _threshold(line: str, path: Path, number: int) -> float:
    try:
        value = float(line)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise WeightsError(
            f"{path} has {line!r} in line {number}, which is no number from 0 to 1.", _HINT
        )
    return value
