"""Licences that users must accept before weights are fetched, such as non-commercial ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from toolkit.errors import UsageError, WeightsError, did_you_mean
from toolkit.files import write_atomically
from toolkit.weights import cache
from toolkit.weights.wording import described

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.weights.files import WeightFile


def accepted() -> set[str]:
    """Returns the licences that were accepted."""
    try:
        return set(_record().read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise cache.unusable(error) from error


def accept(licences: Iterable[str], files: Iterable[WeightFile]) -> None:
    """Records that the user accepts licences, for all files under them.

    Raises:
        UsageError: No file is under such a licence.
        WeightsError: The record cannot be written.
    """
    known = sorted({file.licence for file in files if file.restricted})
    for licence in licences:
        if licence not in known:
            listed = ", ".join(known) or "none"
            raise UsageError(
                f"No weights ask to accept a licence {licence!r}.{did_you_mean(licence, known)}",
                f"Licences to accept: {listed}",
            )
    try:
        lines = "".join(f"{each}\n" for each in sorted({*accepted(), *licences}))
        write_atomically(_record(), lines.encode())
    except OSError as error:
        raise cache.unusable(error) from error


def lacking(files: Iterable[WeightFile]) -> list[WeightFile]:
    """Returns the files whose licence must be accepted first."""
    known = accepted()
    return [file for file in files if file.restricted and file.licence not in known]


def require(files: Iterable[WeightFile]) -> None:
    """Checks that the licences of files are accepted, where they restrict use.

    Raises:
        WeightsError: One is not; says how to accept it.
    """
    missing = lacking(files)
    if not missing:
        return
    licences = dict.fromkeys(file.licence for file in missing)
    told = [
        f"{described(file)} is not cached, and its licence forbids {file.restricted}"
        + (f"; see {file.page}" if file.page else "")
        for file in missing
    ]
    names = " ".join(file.name for file in missing)
    # What is not downloaded is supplied by the same command.
    supplied = any(not file.sources for file in missing)
    options = [f"--accept-licence {each}" for each in licences]
    options += ["--from", "FOLDER" if len(missing) > 1 else "FILE"] if supplied else []
    raise WeightsError(
        "\n".join(told),
        f"If you accept that{' and have your copy' if supplied else ''}:\n"
        f"  toolkit weights fetch {names} {' '.join(options)}",
    )


def _record() -> Path:
    return cache.home() / "accepted-licences.txt"
