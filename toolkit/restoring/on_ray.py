"""Restores files on many processes and machines, with Ray Data.

Only names and plain values cross processes: each worker opens the restorer itself, and reads and
writes files itself, as `restore_files` does in one process.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.contracts import move
from toolkit.devices import choose_device
from toolkit.discovery import installed
from toolkit.errors import ToolkitError
from toolkit.files import remove_leftovers_of
from toolkit.restoring.engines import with_engine
from toolkit.restoring.folder import Progress, Restored, attempt, restoring
from toolkit.restoring.jobs import Job, check_outputs
from toolkit.restoring.opening import open_restorer
from toolkit.restoring.ray_cluster import check_ray, connected, reason_of, shares
from toolkit.restoring.storage import finder, is_remote, location

if TYPE_CHECKING:
    from toolkit.restoring.engines import Engine
    from toolkit.restoring.folder import Existing, Files
    from toolkit.restoring.treatment import Treatment

TRIES = 3
"""How often an image is tried if its worker is killed each time, as for want of memory."""
_BLOCKS = 10_000
"""Jobs are handed out one by one up to this number, and in groups beyond it."""


@dataclass(frozen=True)
class Opening:
    """What a worker needs to open a restorer and apply it.

    Attributes:
        source: See `open_restorer`.
        options: See `open_restorer`.
        treatment: See `restore_files`.
        files: See `restore_files`.
        device: `auto`, or a device of the workers.
        engine: See `with_engine`.
    """

    source: str
    options: Mapping[str, Any]
    treatment: Treatment
    files: Files
    device: str = "auto"
    engine: Engine = "auto"


def restore_on_ray(
    opening: Opening,
    jobs: Sequence[Job],
    *,
    cluster: str = "",
    workers: int | None = None,
    existing: Existing = "overwrite",
    on_event: Callable[[Progress], None] | None = None,
) -> list[Restored]:
    """Restores images on a cluster; the results are those of `restore_files`, in the same order.

    An image whose worker is killed is tried again.

    Args:
        opening: Opened by each worker.
        jobs: From `plan_jobs`. Workers find the files under the same names.
        cluster: Address of a cluster; by default that of the variable `RAY_ADDRESS`, else one that
            is started on this machine, for this call.
        workers: Number of processes, each with its own restorer, on a GPU or else on a core; by
            default as many as there are.
        existing: See `restore_files`.
        on_event: Called with the progress of each image when it has ended.

    Raises:
        UsageError: An output folder is not writable, Ray is missing, or the cluster has no such
            device.
        ToolkitError: The cluster cannot be reached, or the restorer cannot be opened there.
    """
    check_ray()
    check_outputs(jobs)
    report = on_event or (lambda _: None)
    results: dict[int, Restored] = {}

    def end(index: int, result: Restored) -> None:
        results[index] = result
        progress = Progress(jobs[index], index, len(jobs))
        report(progress)
        report(replace(progress, result=result))

    exists = finder(job.destination for job in jobs if existing == "skip")
    for index, job in enumerate(jobs):
        if existing == "skip" and exists(job.destination):
            end(index, Restored(job, kept=True))
    left = [index for index in range(len(jobs)) if index not in results]
    try:
        with closing(_restored(opening, jobs, left, cluster, workers)) as documents:
            for index, document in documents:
                end(index, _from_document(jobs[index], document))
    finally:
        undone = (jobs[index].destination for index in left)
        remove_leftovers_of(path for path in undone if not is_remote(path))
    return [results[index] for index in range(len(jobs))]


def _restored(
    opening: Opening, jobs: Sequence[Job], chosen: Sequence[int], cluster: str, workers: int | None
) -> Generator[tuple[int, dict[str, Any]]]:
    """Yields indices of jobs, and the documents of their results, as they are done."""
    if not chosen:
        return
    import ray
    from ray.data import ActorPoolStrategy, DataContext, from_items

    rows = [{"index": index, "job": _job_text(jobs[index])} for index in chosen]
    with connected(cluster) as scratch:
        context = DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        size, cpus, gpus = shares(opening.device, workers)
        tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Tries).remote()
        found = from_items(rows, override_num_blocks=min(len(rows), _BLOCKS)).map(
            _Worker,
            fn_constructor_args=(opening, tries, str(Path.cwd()), scratch),
            compute=ActorPoolStrategy(size=min(size, len(rows))),
            num_cpus=cpus,
            num_gpus=gpus,
        )
        try:
            for row in found.iter_rows():
                yield row["index"], json.loads(row["result"])
        except ray.exceptions.RayError as error:
            hint = "Try --on local, or look into the logs of Ray's workers"
            raise ToolkitError(f"Ray stopped: {reason_of(error)}", hint) from error


class _Tries:
    """Counts how often images were begun; an actor, as workers that are killed cannot."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, index: int) -> int:
        """Returns how often it was begun before, without an end."""
        self._begun[index] += 1
        return self._begun[index] - 1

    def end(self, index: int) -> None:
        """Forgets it."""
        del self._begun[index]


class _Worker:
    """A process with a restorer."""

    def __init__(self, opening: Opening, tries: Any, folder: str, scratch: str) -> None:
        with suppress(OSError):  # another machine may not have it
            os.chdir(folder)
        tempfile.tempdir = scratch or None
        device = choose_device(opening.device)
        restorer = open_restorer(opening.source, installed(), opening.options)
        move(restorer, device)
        restorer = with_engine(restorer, opening.engine, device)
        self._tries = tries
        self._work = restoring(restorer, opening.treatment, opening.files, device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import ray

        index, (source, destination, fixed) = row["index"], json.loads(row["job"])
        job = Job(location(source), location(destination), fixed)
        if ray.get(self._tries.begin.remote(index)) < TRIES:
            result = attempt(job, self._work, lambda _done, _tiles: None)
            self._tries.end.remote(index)
        else:
            result = Restored(job, error=_killed())
        return {"index": index, "result": json.dumps(_document(result))}


def _job_text(job: Job) -> str:
    return json.dumps([str(job.source), str(job.destination), job.fixed])


def _document(result: Restored) -> dict[str, Any]:
    error = result.error
    return {
        "destination": str(result.job.destination),
        "lr_size": result.lr_size,
        "sr_size": result.sr_size,
        "seconds": result.seconds,
        "notes": result.notes,
        "error": error and [str(error), getattr(error, "hint", "")],
    }


def _from_document(job: Job, document: Mapping[str, Any]) -> Restored:
    sizes = (document["lr_size"], document["sr_size"])
    lr_size, sr_size = ((size[0], size[1]) if size else None for size in sizes)
    return Restored(
        Job(job.source, location(document["destination"]), job.fixed),
        lr_size,
        sr_size,
        document["seconds"],
        tuple(document["notes"]),
        error=ToolkitError(*document["error"]) if document["error"] else None,
    )


def _killed() -> ToolkitError:
    return ToolkitError(
        f"Its worker was killed, {TRIES} times; perhaps memory ran out",
        "Use --tile 128, or fewer --workers",
    )
