"""Trains the restorer in the background, at the lowest priority: start, status, pause, go on, stop.

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

from toolkit.weights import write_atomically
from toolkit_backbones.pretraining.progress import (
    LOG,
    PROGRESS,
    crops_a_second,
    position,
    read_progress,
)

COMMANDS = ("start", "status", "pause", "continue", "stop", "keep")
_PID = "pid"
_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
"""Threads that wait for others sleep, so that the work in the foreground has its cores."""
_PATIENCE = 120
"""Seconds in which a training that is asked to stop must have saved."""


def main() -> None:
    """Does one of the commands; what follows `start` goes on to the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--out", type=Path, required=True, help="the training's folder")
    parser.add_argument("--kept", type=Path, help="where `keep` saves it for another machine")
    args, further = parser.parse_known_args()
    pid = running(args.out)
    if args.command == "status":
        print(status(args.out))
    elif args.command == "start":
        print(f"Process {pid} trains already." if pid else start(args.out, args.kept, further))
    elif args.command == "keep":
        print(keep(args.out, args.kept))
    elif pid is None:
        sys.exit(f"No training runs in {args.out}. Start one: make pocket-train")
    elif args.command == "stop":
        stop(pid)
    else:
        # The whole group, as a training may have workers.
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
        # Where the scheduler shares between sessions first, a process's own niceness counts only
        # within its session.
        group.write_text("19", encoding="ascii")
    (out / _PID).write_text(str(process.pid), encoding="ascii")
    return f"Training as process {process.pid}; its log is {out / LOG}."


def keep(out: Path, kept: Path) -> str:
    """Saves the newest averaged weights and the record, for a training elsewhere to go on from."""
    from toolkit.checkpoints import read_metadata
    from toolkit.runs import newest_run
    from toolkit_backbones.pretraining.publish import publish_run

    run = newest_run(out)
    if run is None:
        sys.exit(f"There is no checkpoint in {out} yet.")
    publish_run(run, kept)
    record = read_progress(out / PROGRESS)
    step = int(read_metadata(run.latest())["step"])
    now = position(out, run.folder.name, step, run.recipe().train.batch)
    if speed := crops_a_second(out):
        seen = now["crops"] - (record[-1]["crops"] if record else 0)
        now["hours"] = round(now["hours"] + seen / speed / 3600, 3)
    lines = record if record and record[-1]["step"] == now["step"] else [*record, now]
    write_atomically(kept / PROGRESS, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
    return f"Kept in {kept}: {run.folder.name}, step {step}."


def stop(pid: int) -> None:
    """Asks the training to save and stop, and waits for it."""
    os.killpg(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGTERM)
    for _ in range(_PATIENCE):
        if not _alive(pid):
            return
        time.sleep(1)
    sys.exit(f"Process {pid} has not stopped within {_PATIENCE} s.")


def status(out: Path) -> str:
    """Whether it runs, how far and how fast it is, the last figures, and the newest samples."""
    pid = running(out)
    lines = [f"Running as process {pid}." if pid else "Not running."]
    if pid and _state(pid) == "T":
        lines = [f"Paused (process {pid}): make pocket-continue"]
    if speed := crops_a_second(out):
        lines.append(f"{speed:.2f} crops a second of late.")
    for record in read_progress(out / PROGRESS)[-3:]:
        figures = "; ".join(
            f"{degradation}: " + ", ".join(f"{name} {value}" for name, value in found.items())
            for degradation, found in record.items()
            if isinstance(found, dict)
        )
        lines.append(
            f"{record['stage']}, step {record['step']}, {record['crops']} crops, "
            f"{record['hours']:.2f} h: {figures}"
        )
    if samples := sorted(out.glob("*/samples/*.png"), key=lambda path: path.stat().st_mtime):
        lines.append(f"Newest samples: {samples[-1]}")
    return "\n".join(lines)


def running(out: Path) -> int | None:
    """The process that trains in a folder, if one does."""
    try:
        pid = int((out / _PID).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if _alive(pid) else None


def _alive(pid: int) -> bool:
    return _state(pid) not in {"", "Z"}


def _state(pid: int) -> str:
    """As `ps` gives it: T stopped, Z dead but not yet waited for; empty where there is none."""
    found = subprocess.run(  # noqa: S603
        ["ps", "-o", "state=", "-p", str(pid)],  # noqa: S607
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip()[:1]


if __name__ == "__main__":
    main()
