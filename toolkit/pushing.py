"""Pushes a run to the model hub: weights, recipe and model card, in one commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from toolkit.checkpoints import (
    checkpoint_path,
    load_part,
    read_metadata,
    save_checkpoint,
    step_of,
)
from toolkit.errors import HubError, UsageError
from toolkit.exporting import CARD, Form, Keys, export_run
from toolkit.hub import CHECKPOINTS, LOG_IN, Place, parse, translated
from toolkit.recipe.public import paths_for_restoring, without_paths
from toolkit.registry import Registry
from toolkit.runs import RECIPE, Run
from toolkit.weights import hub_files

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationCopy, HfApi

_PART = "generator"


@dataclass(frozen=True)
class Push:
    """What goes to the hub, and then where it lies.

    Attributes:
        place: The repository.
        step: Step of the checkpoint.
        sizes: Bytes of the files, by path.
        left_out: Options of the recipe that name places on this machine.
        url: Address of the repository; empty before it was pushed.
        commit: Hash of the commit; empty likewise.
    """

    place: Place
    step: int
    sizes: dict[str, int]
    left_out: list[str] = field(default_factory=list)
    url: str = ""
    commit: str = ""


def push_run(
    run: Run, registry: Registry, name: str, folder: Path, form: Form = "diffusers",
    keys: Keys = "diffusers", *, private: bool = False,
    about_to: Callable[[Push], object] = lambda _: None,
) -> Push:  # fmt: skip
    """Exports a run into a folder, and pushes that to the hub.

    The checkpoint that is pushed holds the generator alone: no optimiser, no discriminator, no
    state of the training. The recipe names no paths.

    Args:
        run: The run.
        registry: Supplies its generator.
        name: `OWNER/NAME`, or `OWNER/NAME@BRANCH`; created if it does not exist.
        folder: A new folder for the files.
        form: See `export_run`.
        keys: See `export_run`.
        private: Whether the repository must be private.
        about_to: Called with what will be pushed, before anything is.

    Raises:
        UsageError: There is no run, it cannot be exported, the name is malformed, or others
            could not restore with it.
        HubError: There is no token, or the hub refuses or cannot be reached; nothing is committed.
    """
    place = parse(name)
    if paths := paths_for_restoring(run.recipe()):
        option, path = next(iter(paths.items()))
        raise UsageError(
            f"{run.folder} needs your own {path} ({option}), without which nobody else can restore "
            "with it.",
            "Push those weights first, hf upload OWNER/BASE FOLDER, and write OWNER/BASE instead "
            f"of the path into {run.recipe_path}.",
        )
    api = _logged_in(place)
    push = _staged(run, registry, place, folder, form, keys)
    about_to(push)
    try:
        return _committed(api, push, folder, private=private)
    except HubError:
        raise
    except Exception as error:  # any of the HTTP library
        raise translated(error, place) from error


def _logged_in(place: Place) -> HfApi:
    """Returns the hub's client with a valid token."""
    from huggingface_hub import HfApi, constants, get_token

    if hub_files.is_offline():
        raise HubError("HF_HUB_OFFLINE is set, so nothing can be pushed.", "unset HF_HUB_OFFLINE")
    if not get_token():
        raise HubError(
            "Pushing needs a token of the model hub.",
            f"Make one with write access at {constants.ENDPOINT}/settings/tokens, then: {LOG_IN}",
        )
    api = HfApi()
    try:
        api.whoami()
    except Exception as error:  # any of the HTTP library
        raise translated(error, place) from error
    return api


def _staged(
    run: Run, registry: Registry, place: Place, folder: Path, form: Form, keys: Keys
) -> Push:
    """Writes what is pushed into a new folder."""
    recipe, left_out = without_paths(run.recipe())
    checkpoint = run.latest()
    export_run(run, registry, folder, form, keys)
    known = read_metadata(checkpoint)
    step, fingerprint = int(known["step"]), known["fingerprint"]
    save_checkpoint(
        checkpoint_path(folder / CHECKPOINTS, step),
        {_PART: load_part(checkpoint, _PART)},
        {"step": str(step), "fingerprint": fingerprint},
    )
    recipe.save(folder / RECIPE)
    with (folder / CARD).open("a", encoding="utf-8") as card:
        card.write(_how_to_restore(place))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    return Push(place, step, sizes, left_out)


def _how_to_restore(place: Place) -> str:
    return (
        "\n## With the restoration toolkit\n\n"
        f"```sh\ntoolkit restore photo.jpg --with {place}\n```\n\n"
        f"It reads `{RECIPE}` and `{CHECKPOINTS}/`, and gives the same pixels as the run did.\n"
    )


def _committed(api: HfApi, push: Push, folder: Path, *, private: bool) -> Push:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants

    repository, branch = push.place
    api.create_repo(repository, private=private or None, exist_ok=True)
    if private and not api.model_info(repository).private:
        raise HubError(
            f"{repository} exists already, and is public.",
            "Make it private on its page, or name another repository: --push OWNER/NAME",
        )
    if branch != constants.DEFAULT_REVISION:
        api.create_branch(repository, branch=branch, exist_ok=True)
    there = [path.rfilename for path in api.model_info(repository, revision=branch).siblings or ()]
    operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
        *(CommitOperationDelete(path) for path in there if _is_earlier(path, push)),
        *(CommitOperationAdd(path, folder / path) for path in push.sizes),
    ]
    commit = api.create_commit(
        repository, operations, revision=branch,
        commit_message=f"Push step {push.step} with the restoration toolkit",
    )  # fmt: skip
    at = f"/tree/{branch}" if branch != constants.DEFAULT_REVISION else ""
    url = f"{constants.ENDPOINT}/{repository}{at}"
    return Push(push.place, push.step, push.sizes, push.left_out, url, commit.oid)


def _is_earlier(path: str, push: Push) -> bool:
    """Whether a file of the repository is the checkpoint of another push."""
    place = PurePosixPath(path)
    return place.parts[:-1] == (CHECKPOINTS,) and step_of(place) >= 0 and path not in push.sizes
