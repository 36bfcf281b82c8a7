"""Runs `toolkit` in processes that are forked from one which has imported everything already.

Importing takes most of the time of a short training. `Server` is the tests' side; run as a program,
this file is the server, which reads requests as lines of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SECONDS = 120
MODULES = (
    "diffusers.models.autoencoders.autoencoder_kl", "diffusers.models.unets.unet_2d_condition",
    "peft", "toolkit.cli.app", "toolkit.training.loop", "toolkit_backbones.latent_diffusion",
    "toolkit_discriminators.diffusion", "toolkit_generators.one_step", "torch.distributed.fsdp",
)  # fmt: skip
"""Not all are needed by every training, but most of the time is theirs."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or minus a signal's number, and what it printed."""

    code: int
    out: str
    err: str


class Process:
    """A running command."""

    def __init__(self, server: Server, pid: int, out: Path, err: Path) -> None:
        self._server, self.pid, self._out, self._err = server, pid, out, err

    @property
    def err(self) -> str:
        """What it has printed to stderr so far."""
        return self._err.read_text()

    def wait(self, seconds: float = SECONDS) -> Ended:
        """Waits for its end; one that takes too long is killed."""
        code = self._server.ask(wait=self.pid, seconds=seconds)
        return Ended(code, self._out.read_text(), self.err)

    def kill(self) -> None:
        """Kills it without a chance to clean up."""
        os.kill(self.pid, signal.SIGKILL)


class Server:
    """Starts commands by forking; the server ends with its block."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "400", "NO_COLOR": "1",
                       "TERMINAL_WIDTH": "400"}  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate()

    def ask(self, **request: object) -> int:
        """Sends a request and returns the answer."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, *arguments: object, group: int = 0, before: str = "", **environment: str):
        """Starts `toolkit` with arguments.

        Args:
            arguments: Of the command line.
            group: Process group to join; 0 for a new one.
            before: Python source to run first, such as to inject a fault.
            environment: Further variables.
        """
        self._count += 1
        out, err = (self._folder / f"{self._count}.{name}" for name in ("out", "err"))
        words = [str(each) for each in arguments]
        pid = self.ask(
            argv=words, env=environment, out=str(out), err=str(err), group=group, before=before
        )
        return Process(self, pid, out, err)

    def ranks(self, count: int, *arguments: object, before: str = "") -> list[Process]:
        """Starts a command in several processes, one group, with a launcher's environment."""
        port = free_port()
        processes: list[Process] = []
        for rank in range(count):
            environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count,
                           "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
            group = processes[0].pid if processes else 0
            processes.append(
                self.start(
                    *arguments,
                    group=group,
                    before=before,
                    **{name: str(value) for name, value in environment.items()},
                )
            )
        return processes


def free_port() -> int:
    """Returns a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve() -> None:
    """Answers requests until there are no more, then kills what still runs."""
    import_everything()
    started: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = wait(request["wait"], request["seconds"])
            started.discard(request["wait"])
        else:
            answer = os.fork() or run(request)
            with suppress(OSError):  # whichever is first: it may be killed with its group at once
                os.setpgid(answer, request["group"])
            started.add(answer)
        print(answer, flush=True)
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def import_everything() -> None:
    """Imports what a training needs; nothing is computed, as threads are not forked."""
    from toolkit.discovery import installed

    installed()
    for name in MODULES:
        importlib.import_module(name)


def run(request: dict) -> int:
    """Becomes the command; does not return."""
    code = 1
    try:
        with suppress(PermissionError):
            os.setpgid(0, request["group"])
        os.environ.update(request["env"])
        for number, path in ((1, request["out"]), (2, request["err"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what was read ahead is not its
        sys.argv = ["toolkit", *request["argv"]]
        exec(request["before"], {})
        from toolkit.cli import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait(pid: int, seconds: float) -> int:
    """Returns the exit code of a process, or minus the signal that ended it."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += seconds
        time.sleep(0.02)


if __name__ == "__main__":
    serve()
