"""What `toolkit restore` shows: its progress, and what became of each image."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from toolkit.cli.output import Format, note, show_json
from toolkit.cli.progress import restoring_progress

if TYPE_CHECKING:
    from toolkit.restoring.folder import Progress, Restored
    from toolkit.restoring.jobs import Job


@contextmanager
def show_results(jobs: Sequence[Job], output: Format) -> Iterator[Callable[[Progress], None]]:
    """Shows the progress of the jobs in its block, and then their results.

    Exits with 1 if one failed, and with 130 if the user stopped them.
    """
    ended: dict[int, Restored] = {}
    stopped = False
    with restoring_progress(len(jobs)) as show:

        def on_event(progress: Progress) -> None:
            if progress.result:
                ended[progress.index] = progress.result
            else:  # several at a time may be at work
                show(replace(progress, index=len(ended)))

        try:
            yield on_event
        except KeyboardInterrupt:
            stopped = True
    results = [ended[index] for index in sorted(ended)]
    failed = [result for result in results if result.error]
    if output is Format.json:
        show_json([_document(result) for result in results])
    else:
        for result in results:
            _report(result)
    if failed:
        note(f"{len(failed)} of {len(results)} images could not be restored.")
    if stopped:
        note(f"Stopped: {len(jobs) - len(results)} of {len(jobs)} images are left.")
        note("Run the same command again to restore them.")
        sys.exit(130)
    if failed:
        sys.exit(1)


def _report(result: Restored) -> None:
    if result.kept:
        print(f"{result.job.source}: {result.job.destination} exists already, and was skipped")
        print("  To restore it again: --existing overwrite")
        return
    if result.error or not result.sr_size or not result.lr_size:
        print(f"{result.job.source}: failed: {result.error}")
        if hint := getattr(result.error, "hint", ""):
            print(f"  {hint}")
        return
    sizes = "{}x{} → {}x{}".format(*result.lr_size, *result.sr_size)
    print(f"{result.job.source} → {result.job.destination}  {sizes}  {result.seconds:.1f} s")
    for each in result.notes:
        print(f"  {each}")


def _document(result: Restored) -> dict[str, Any]:
    return {
        "source": str(result.job.source),
        "destination": None if result.error else str(result.job.destination),
        "lr_size": result.lr_size,
        "sr_size": result.sr_size,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
        "kept": result.kept,
        "error": None if result.error is None else str(result.error),
        "hint": getattr(result.error, "hint", ""),
    }
