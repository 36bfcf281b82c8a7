"""Trains the restorer in the background, at the lowest priority.

python -m toolkit_backbones.pretraining.background start --photos DIR --out DIR
python -m toolkit_backbones.pretraining.background status --out DIR
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from toolkit.files import write_atomically
from toolkit_backbones.pretraining.progress import (
    LOG,
    PROGRESS,
    crops_per_second,
    position,
    read_progress,
)

COMMANDS = ("start", "status", "pause", "continue", "stop", "keep")
_PID = "pid"
_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
"""Waiting threads sleep instead of spinning, which leaves cores to other processes."""
_STOP_TIMEOUT = 120
"""Seconds to wait for a training to save and stop."""


def main() -> None:
    """Runs a command; further options of `start` are passed to the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the training")
    parser.add_argument("--kept", type=Path, help="folder where `keep` saves a portable copy")
    args, training_options = parser.parse_known_args()
    if not hasattr(os, "killpg"):
        sys.exit("A training in the background needs Linux or macOS.")
    pid = running(args.out)
    if args.command == "status":
        print(status(args.out))
    elif args.command == "start":
        if pid:
            print(f"The training is already running as process {pid}.")
        else:
            print(start(args.out, args.kept, training_options))
    elif args.command == "keep":
        print(keep(args.out, args.kept))
    elif pid is None:
        sys.exit(f"No training is running in {args.out}. Start one: make pocket-train")
    elif args.command == "stop":
        stop(pid)
    else:
        # Signal the whole group, which includes workers.
        os.killpg(pid, signal.SIGSTOP if args.command == "pause" else signal.SIGCONT)


def start(out: Path, kept: Path | None, options: list[str]) -> str:
    """Starts or resumes the training, which outlives this process."""
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "toolkit_backbones.pretraining.restorer", "--out", str(out)]
    command += ["--kept", str(kept)] if kept else []
    with (out / LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            ["nice", "-n", "19", *command, *options],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,
        )
    group = Path(f"/proc/{process.pid}/autogroup")
    if group.exists():
        # With autogroup scheduling, the niceness of a process only applies within its session.
        group.write_text("19", encoding="ascii")
    (out / _PID).write_text(str(process.pid), encoding="ascii")
    return f"Training started as process {process.pid}; log: {out / LOG}"


def keep(out: Path, kept: Path) -> str:
    """Saves the newest averaged weights and the record, to continue training elsewhere."""
    from toolkit.checkpoints import read_metadata
    from toolkit.runs import newest_run
    from toolkit_backbones.pretraining.publish import publish_run

    run = newest_run(out)
    if run is None:
        sys.exit(f"There is no checkpoint in {out} yet.")
    publish_run(run, kept)
    record = read_progress(out / PROGRESS)
    step = int(read_metadata(run.latest())["step"])
    entry = position(out, run.folder.name, step, run.recipe().train.batch)
    if speed := crops_per_second(out):
        crops = entry["crops"] - (record[-1]["crops"] if record else 0)
        entry["hours"] = round(entry["hours"] + crops / speed / 3600, 3)
    lines = record if record and record[-1]["step"] == entry["step"] else [*record, entry]
    write_atomically(kept / PROGRESS, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
    return f"Saved in {kept}: {run.folder.name}, step {step}."


def stop(pid: int) -> None:
    """Makes the training save and stop, and waits for it."""
    os.killpg(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGTERM)
    for _ in range(_STOP_TIMEOUT):
        if not _alive(pid):
            return
        time.sleep(1)
    sys.exit(f"Process {pid} has not stopped within {_STOP_TIMEOUT} s.")


def status(out: Path) -> str:
    """Reports state, progress, speed, the last validation scores and the newest samples."""
    pid = running(out)
    lines = [f"Running as process {pid}." if pid else "Not running."]
    if pid and _state(pid) == "T":
        lines = [f"Paused (process {pid}): make pocket-continue"]
    if speed := crops_per_second(out):
        lines.append(f"{speed:.2f} crops per second.")
    for record in read_progress(out / PROGRESS)[-3:]:
        results = "; ".join(
            f"{degradation}: " + ", ".join(f"{name} {value}" for name, value in scores.items())
            for degradation, scores in record.items()
            if isinstance(scores, dict)
        )
        lines.append(
            f"{record['stage']}, step {record['step']}, {record['crops']} crops, "
            f"{record['hours']:.2f} h: {results}"
        )
    if samples := sorted(out.glob("*/samples/*.png"), key=lambda path: path.stat().st_mtime):
        lines.append(f"Newest samples: {samples[-1]}")
    return "\n".join(lines)


def running(out: Path) -> int | None:
    """Returns the process that trains in a folder, or None."""
    try:
        pid = int((out / _PID).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if _alive(pid) else None


def _alive(pid: int) -> bool:
    return _state(pid) not in {"", "Z"}


def _state(pid: int) -> str:
    """Returns the state shown by `ps`: T stopped, Z zombie; empty if there is no such process."""
    process = subprocess.run(  # noqa: S603
        ["ps", "-o", "state=", "-p", str(pid)],  # noqa: S607
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return process.stdout.strip()[:1]


if __name__ == "__main__":
    main()
