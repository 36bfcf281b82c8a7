"""Measurements on a Ray cluster: each is a task on a core, or on a GPU where there are any.

The folder of the work must be the same on all machines. A task whose process is killed is tried
again, and goes on where it was: what is finished lies in that folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.devices import processor_cores
from toolkit.discovery import installed
from toolkit.errors import ToolkitError
from toolkit.recipe import Recipe
from toolkit.restoring.ray_cluster import check_ray, connected, reason_of, shares
from toolkit.tables.budget import time_step
from toolkit.tables.measurement import Measurement
from toolkit.tables.measuring import measure
from toolkit.tables.run import Event, log_into, reason_of_failure, threads_of

TRIES = 3
"""How often a measurement is begun if its process is killed each time."""


def run_on_ray(
    measurements: Sequence[Measurement],
    workers: int | None,
    on_event: Callable[[Event], None] = lambda _event: None,
    *,
    cluster: str = "",
) -> dict[Measurement, str]:
    """Runs all measurements that are not finished, as `run_measurements` does.

    Args:
        measurements: In the order in which they are begun.
        workers: How many at once; None for one a GPU, or else one a core.
        on_event: Told of the end of each.
        cluster: Address of a cluster; see `connected`.

    Returns:
        The reasons of failures, by measurement.

    Raises:
        UsageError: Ray is missing.
        ToolkitError: The cluster cannot be reached.
    """
    import ray

    todo = [each for each in measurements if not each.finished]
    failures: dict[Measurement, str] = {}
    if not todo:
        return failures
    check_ray()
    with connected(cluster):
        task, size = _task(ray.remote(_measure), workers)
        threads = max(1, processor_cores() // size)
        waiting = list(reversed(todo))
        running: dict[Any, Measurement] = {}
        while waiting or running:
            while waiting and len(running) < size:
                each = waiting.pop()
                running[task.remote(each, threads, str(Path.cwd()))] = each
                on_event(Event(each, "queued"))
            [done], _ = ray.wait(list(running), num_returns=1)
            each = running.pop(done)
            try:
                reason = ray.get(done)
            except ray.exceptions.RayError as error:
                reason = f"Its process ended: {reason_of(error)}"
            if reason:
                failures[each] = reason
            on_event(Event(each, "failed" if reason else "done", reason=reason))
    return failures


def time_steps_on_ray(
    recipes: Mapping[str, Recipe], workers: int | None, *, cluster: str = ""
) -> dict[str, float]:
    """Returns the seconds of a step of each recipe on the cluster; see `budget.time_steps`."""
    import ray

    check_ray()
    with connected(cluster):
        task, size = _task(ray.remote(time_step), workers)
        threads = max(1, processor_cores() // size)
        found = {label: task.remote(recipe, threads) for label, recipe in recipes.items()}
        try:
            return {label: ray.get(each) for label, each in found.items()}
        except ray.exceptions.RayError as error:
            raise ToolkitError(f"A step could not be timed: {reason_of(error)}") from error


def workers_on_ray(workers: int | None, *, cluster: str = "") -> int:
    """Returns how many measurements a cluster runs at once."""
    check_ray()
    with connected(cluster):
        return shares("auto", workers)[0]


def _task(function: Any, workers: int | None) -> tuple[Any, int]:
    """Returns the function with what each of its calls needs, and how many run at once."""
    size, cpus, gpus = shares("auto", workers)
    return function.options(num_cpus=cpus, num_gpus=gpus, max_retries=TRIES - 1), size


def _measure(measurement: Measurement, threads: int, folder: str) -> str:
    """Body of a task; returns why it failed, empty if it did not."""
    import os

    import torch

    os.chdir(folder)
    torch.set_num_threads(threads_of(measurement, threads))
    log = log_into(measurement.folder)
    try:
        measure(measurement, installed(), lambda *_: None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows go on
        return reason_of_failure(error, measurement.folder, log)
    return ""
