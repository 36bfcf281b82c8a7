"""Runs on the model hub, which open like runs in a folder: `hub:OWNER/NAME@REVISION`.

A repository of a run is laid out like its folder: `recipe.toml` and
`checkpoints/step-….safetensors`, which holds the generator alone. Nothing else is downloaded.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.checkpoints import checkpoints, step_of
from toolkit.errors import HubError, ToolkitError, UsageError
from toolkit.files import try_writing
from toolkit.recipe.public import paths_for_restoring
from toolkit.runs import RECIPE, Run
from toolkit.weights import digest, hub_files
from toolkit.weights.network import Probes

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoSibling

_LOG = logging.getLogger(__name__)

PREFIX = "hub:"
LOG_IN = "hf auth login"
CHECKPOINTS = "checkpoints"
_NAME = re.compile(r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[^@\s]+))?")
_LARGEST_RECIPE = 1 << 20


class Place(NamedTuple):
    """A repository on the model hub, at a branch, tag or commit."""

    repository: str
    revision: str = "main"

    def at(self, revision: str) -> Place:
        """The same repository at another revision."""
        return Place(self.repository, revision)

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision != "main" else ""
        return f"{PREFIX}{self.repository}{at}"


def run_from_hub(name: str) -> Run:
    """Downloads a run of the model hub: its recipe and its newest checkpoint.

    Names and sizes are checked before the download, and the hashes that the hub states after it.
    Offline, the run is taken from the hub's cache.

    Args:
        name: `hub:OWNER/NAME`, or `hub:OWNER/NAME@REVISION`.

    Raises:
        UsageError: The name is malformed, the repository holds no run, or its recipe names paths.
        HubError: The repository is missing, private or altered, or the hub cannot be reached.
        WeightsError: The hub's cache cannot be written.
    """
    place = parse(name)
    lacking = _why_offline()
    folder = _from_cache(place, lacking) if lacking else _download(place)
    run = Run(folder, str(place))
    if named := paths_for_restoring(run.recipe()):
        option, path = next(iter(named.items()))
        raise UsageError(
            f"The recipe of {place} names a file of this machine, {option} = {path!r}, which is "
            "not read for a recipe from elsewhere.",
            "Ask its author to push weights that others have.",
        )
    return run


def parse(name: str) -> Place:
    """Reads `OWNER/NAME` or `OWNER/NAME@REVISION`, with or without `hub:`.

    Raises:
        UsageError: It is neither.
    """
    found = _NAME.fullmatch(name.removeprefix(PREFIX))
    if not found:
        raise UsageError(
            f"{name!r} does not name a repository on the model hub.",
            "Write OWNER/NAME, such as hub:me/my-restorer or hub:me/my-restorer@main",
        )
    return Place(found["repository"], found["revision"] or "main")


def translated(error: Exception, place: Place) -> ToolkitError:
    """Returns the error to raise for one of the hub's library."""
    from huggingface_hub import constants, errors

    if isinstance(error.__cause__, errors.HfHubHTTPError):  # uploads wrap what went wrong
        error = error.__cause__
    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f"The hub asks you to accept the terms of {place.repository}.",
            f"Accept them on {constants.ENDPOINT}/{place.repository}, then: {LOG_IN}",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError(
            f"The hub has no repository {place.repository}, or it is private and your token may "
            "not read it.",
            f"Check the spelling of OWNER/NAME; for a private one: {LOG_IN}",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(
            f"{place.repository} has no branch, tag or commit {place.revision!r}.",
            f"Its branches are listed at {constants.ENDPOINT}/{place.repository}/tree/main",
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(error, place)
    if isinstance(error, OSError) and error.errno and error.filename:
        return hub_files.unusable(error)
    reason = str(error.__cause__ or error).splitlines()[0] or type(error).__name__
    return HubError(
        f"The hub, {constants.ENDPOINT}, cannot be reached: {reason}",
        "Check the network, and HF_ENDPOINT if it is set; then run the same command again.",
    )


def _refusal(error: HfHubHTTPError, place: Place) -> HubError:
    status = error.response.status_code
    if status == 401:
        return HubError("The hub does not accept your token.", f"Log in again: {LOG_IN}")
    if status == 403:
        return HubError(
            f"Your token may not write to {place.repository}.",
            f"Log in with a token that has write access, {LOG_IN}\n"
            "or name a repository of your own: --push YOU/NAME",
        )
    said = error.server_message or error.response.reason_phrase
    return HubError(f"The hub answers {status} {said}.", "Try again later.")


def _why_offline() -> str:
    """Returns why the hub cannot be asked; empty if it can."""
    from huggingface_hub import constants

    if hub_files.is_offline():
        return "HF_HUB_OFFLINE is set"
    return Probes([constants.ENDPOINT]).failure(constants.ENDPOINT)


def _from_cache(place: Place, lacking: str) -> Path:
    """Returns the snapshot in the hub's cache, checked."""
    from huggingface_hub import try_to_load_from_cache

    recipe = try_to_load_from_cache(place.repository, RECIPE, revision=place.revision)
    found = checkpoints(Path(recipe).parent / CHECKPOINTS) if isinstance(recipe, str) else []
    if not isinstance(recipe, str) or not found:
        raise HubError(
            f"{place} is not in the hub's cache, {hub_files.folder()}, and the hub cannot be asked "
            f"({lacking}).",
            f"With a network, and without HF_HUB_OFFLINE: hf download {place.repository} "
            f"--revision {place.revision}\nThen copy the hub's cache here.",
        )
    for path in (Path(recipe), found[-1]):
        _check(path, path.readlink().name if path.is_symlink() else "")
    return Path(recipe).parent


def _download(place: Place) -> Path:
    """Downloads the recipe and the newest checkpoint; returns the folder of the snapshot."""
    from huggingface_hub import HfApi, hf_hub_download

    try:
        info = HfApi().model_info(place.repository, revision=place.revision, files_metadata=True)
    except Exception as error:  # any of the HTTP library
        raise translated(error, place) from error
    wanted = _wanted(info.siblings or (), place)
    _make_room([each for each in wanted if not _is_cached(each, place.at(info.sha or ""))], place)
    snapshot = hub_files.folder()
    for each in wanted:
        try:
            path = Path(hf_hub_download(place.repository, each.rfilename, revision=place.revision))
        except Exception as error:  # any of the HTTP library
            raise translated(error, place) from error
        snapshot = path.parents[each.rfilename.count("/")]
        if snapshot.name != info.sha:
            raise HubError(
                f"{place} was changed during the download.", "Run the same command again."
            )
        _check(path, each.lfs.sha256 if each.lfs else each.blob_id or "")
    return snapshot


def _is_cached(file: RepoSibling, place: Place) -> bool:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(place.repository, file.rfilename, revision=place.revision)
    return isinstance(found, str)


def _make_room(files: list[RepoSibling], place: Place) -> None:
    """Checks that files can be written into the hub's cache, and tells that they will be."""
    size = sum(each.size or 0 for each in files)
    if not files:  # the cache may be read-only
        return
    try:
        try_writing(hub_files.folder(), size)
    except OSError as error:
        raise hub_files.unusable(error) from error
    _LOG.info("Downloading %s (%.1f MB), once", place, size / 1e6)


def _wanted(files: Iterable[RepoSibling], place: Place) -> list[RepoSibling]:
    """Returns the files to download: the recipe, and the newest checkpoint.

    Raises:
        UsageError: The repository lacks one, or its recipe is too large to be one.
    """
    named = {each.rfilename: each for each in files}
    inside = [path for path in map(Path, named) if path.parts[:-1] == (CHECKPOINTS,)]
    newest = max(inside, key=step_of, default=Path())
    if RECIPE not in named or step_of(newest) < 0:
        absent = RECIPE if RECIPE not in named else f"{CHECKPOINTS}/step-….safetensors"
        raise UsageError(
            f"{place} holds no run: there is no {absent} in it.",
            f"Its author pushes one: toolkit export RUN --push {place.repository}\n"
            "What other restorers take: toolkit plugins list --kind restorer",
        )
    if (named[RECIPE].size or 0) > _LARGEST_RECIPE:
        raise UsageError(f"The {RECIPE} of {place} is too large to be a recipe.")
    return [named[RECIPE], named[newest.as_posix()]]


def _check(path: Path, stated: str) -> None:
    """Compares a file with its SHA-256, or git's SHA-1 of a small file."""
    if len(stated) == 64:
        actual = digest(path)
    elif len(stated) == 40:
        content = path.read_bytes()
        header = f"blob {len(content)}\0".encode()
        actual = hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
    else:
        return
    if actual != stated:
        raise HubError(
            f"{path} does not have the hash that the hub states.",
            f"Delete {hub_files.blob(path)}, and run the same command again.",
        )
