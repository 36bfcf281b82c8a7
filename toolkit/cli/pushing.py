"""`toolkit export --push`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.output import Format, note, show_json, working
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.exporting import Form, Keys
    from toolkit.pushing import Push
    from toolkit.registry import Registry


def push(
    run: Path, registry: Registry, name: str, out: Path | None, form: Form, keys: Keys,
    output: Format, *, private: bool, revision: str,
) -> None:  # fmt: skip
    """Pushes a run to the hub, after listing what goes up, and prints the address."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from toolkit.pushing import push_run
    from toolkit.runs import Run

    if not sys.stderr.isatty():
        disable_progress_bars()
    if revision and "@" in name:
        raise UsageError(f"--push {name} and --revision both name a branch.", "Omit one.")
    name = f"{name}@{revision}" if revision else name
    with tempfile.TemporaryDirectory(prefix="toolkit-push-") as temporary, working():
        folder = out or Path(temporary) / "export"
        pushed = push_run(
            Run(run), registry, name, folder, form, keys, private=private,
            about_to=lambda each: _describe(each, private=private),
        )  # fmt: skip
    if output is Format.json:
        show_json({
            "run": str(run), "step": pushed.step, "to": form, "keys": keys,
            "repository": pushed.place.repository, "revision": pushed.place.revision,
            "private": private, "url": pushed.url, "commit": pushed.commit,
            "left_out": pushed.left_out, "files": _files(pushed),
        })  # fmt: skip
        return
    print(f"{run}, step {pushed.step} → {pushed.url}")
    print(f"  To restore with it: toolkit restore photo.jpg --with {pushed.place}")


def _describe(about: Push, *, private: bool) -> None:
    note(f"Pushing to {about.place}{', private' if private else ''}, in one commit:")
    for each in _files(about):
        note(f"  {each['name']:<44}  {int(each['bytes']) / 1e3:>9.1f} kB")
    if about.left_out:
        named = ", ".join(dict.fromkeys(about.left_out))
        note(f"Left out of the recipe, as it names places on this machine: {named}")


def _files(about: Push) -> list[dict[str, str | int]]:
    return [{"name": name, "bytes": size} for name, size in about.sizes.items()]
