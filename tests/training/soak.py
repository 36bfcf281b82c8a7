"""Kills a training again and again, and asks whether it ends as one that was left alone.

    python tests/training/soak.py                      # some minutes
    python tests/training/soak.py --kills 100 --seed 1

Each kill is a SIGKILL: at any moment, into the writing of a checkpoint, while the run is opened, or
of the main process alone, whose workers must end by themselves. In the end all parts of the
checkpoints, logs and sample sheets are compared bit by bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from forking import Process, Server

PHOTOS = Path(__file__).parents[2] / "plugins/photos/toolkit_photos/data/heldout"
OPTIONS = (
    "--disc", "diffusion-gan", "--loss", "mse", "--batch", "4",
    "--set", "train.crop=32", "--set", "gen.lora_rank=2", "--set", "disc.lora_rank=2",
    "--set", "train.device=cpu", "--set", "train.ema=0.99", "--set", "train.accumulate=2",
    "--set", "train.workers=2", "--set", "train.schedule=cosine", "--set", "train.clip=0.05",
    "--set", "train.checkpoint_every=3", "--set", "train.sample_every=10",
    "--set", "train.validate_every=4", "--set", "train.validate_crop=32",
    "--set", "train.validate_metrics=psnr",
)  # fmt: skip
WAYS = ("anywhere", "checkpoint", "alone", "checkpoint", "opening", "checkpoint")
SECONDS = 120
"""Longest wait for a training to begin, or to save."""


class Failure(Exception):  # noqa: N818 - a verdict
    """The training did not survive."""


def soak(
    server: Server,
    folder: Path,
    kills: int,
    steps: int,
    seed: int = 0,
    say: Callable[[str], object] = print,
) -> list[str]:
    """Trains twice, once with kills; returns what differs.

    Args:
        server: Starts the trainings.
        folder: For the runs.
        kills: Number of kills.
        steps: Of the training.
        seed: Of the moments.
        say: Takes a line for each kill.

    Raises:
        Failure: A training did not go on, or processes of it are left.
    """
    photographs(folder / "photos")
    options = ("train", "--data", folder / "photos", "--steps", steps, *OPTIONS,
               "--set", f"train.validate_on=folder:{folder / 'photos'}")  # fmt: skip
    alone, killed = folder / "alone", folder / "killed"

    def go(run: Path) -> Process:
        begun = (run / "recipe.toml").exists()
        return server.start(*(("train", "--resume") if begun else options), "--out", run)

    finish(go(alone))
    say(f"undisturbed: {steps} steps")
    rng = random.Random(seed)
    for number in range(kills):
        process, way, done = go(killed), WAYS[number % len(WAYS)], logged(killed)
        most = max(1, 2 * (steps - done) // (kills - number + 1))
        target = min(done + rng.randint(1, most), steps - 1)
        told = kill(process, killed, way, target, rng)
        say(f"kill {number + 1} of {kills}, {way}: {told}")
    finish(go(killed))
    return differences(alone, killed)


def photographs(folder: Path) -> None:
    """Copies some photographs, one torn and one too small."""
    import cv2

    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(PHOTOS.glob("*.webp"))[:5]):
        side = 24 if number == 3 else 80
        pixels = cv2.resize(cv2.imread(str(path)), (96, side), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{path.stem}.png"), pixels)
    torn = min(folder.iterdir())
    torn.write_bytes(torn.read_bytes()[:200])


def finish(process: Process) -> None:
    """Waits for a training to end well, with its workers."""
    ended = process.wait(seconds=3600)
    if ended.code:
        raise Failure(f"A training ended with code {ended.code}:\n{ended.err}")
    gone(process.pid)


def kill(process: Process, run: Path, way: str, target: int, rng: random.Random) -> str:
    """Kills a training in one of the ways; returns what was hit, in words."""
    if way == "opening":
        time.sleep(rng.uniform(0, 1.5))
    else:
        wait_for(process, lambda: logged(run) >= target)
        if way == "checkpoint":
            wait_for(process, lambda: parts(run / "checkpoints"), pause=0)
            time.sleep(rng.choice((0, 0, 0.0002, 0.001, 0.003)))
        else:
            time.sleep(rng.uniform(0, 0.5))
    if way == "alone":
        os.kill(process.pid, signal.SIGKILL)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait().code
    if code != -signal.SIGKILL:
        raise Failure(f"The training ended before it was killed, with code {code}:\n{process.err}")
    seconds = gone(process.pid)
    torn = [path.name for path in run.rglob("*.part")]
    saved = sorted(path.stem for path in (run / "checkpoints").glob("step-*.safetensors"))
    return (
        f"after step {logged(run)}, newest checkpoint {saved[-1] if saved else 'none'}, "
        f"{len(torn)} file(s) half written, all processes gone after {seconds:.1f} s"
    )


def wait_for(process: Process, ready: Callable[[], object], pause: float = 0.01) -> None:
    """Waits until something is so, or the process has ended."""
    deadline = time.monotonic() + SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise Failure(f"Nothing happens:\n{process.err}")
        if not group(process.pid):
            return
        time.sleep(pause)


def gone(leader: int) -> float:
    """Waits until no process of a group is left; returns the seconds."""
    begin = time.monotonic()
    while left := group(leader):
        if time.monotonic() > begin + 30:
            raise Failure(f"Processes are left: {left}")
        time.sleep(0.05)
    return time.monotonic() - begin


def group(leader: int) -> list[int]:
    """Returns the processes of a group that run, as Linux's /proc tells."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == leader and fields[0] not in "ZX":
            found.append(int(folder.name))
    return found


def logged(run: Path) -> int:
    """Returns the last step in a run's log; 0 if there is none."""
    log = run / "logs/train.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    return int(json.loads(whole[-1])["step"]) if whole else 0


def parts(folder: Path) -> list[str]:
    """Returns the names of half-written files in a folder."""
    try:
        return [entry.name for entry in os.scandir(folder) if entry.name.endswith(".part")]
    except FileNotFoundError:
        return []


def differences(one: Path, other: Path) -> list[str]:
    """Returns what differs between two runs, and what should not be left in the other."""
    found = [f"{path} is left" for path in other.rglob("*.part")]
    names = [
        {str(path.relative_to(run)) for part in ("checkpoints", "samples", "logs")
         for path in (run / part).iterdir()}
        for run in (one, other)
    ]  # fmt: skip
    found += [f"only in one run: {name}" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1] - {"logs/usage.jsonl"}):
        if name.endswith(".safetensors"):
            found += differing_parts(one / name, other / name)
        elif (one / name).read_bytes() != (other / name).read_bytes():
            found.append(f"{name} differs")
    return found


def differing_parts(one: Path, other: Path) -> list[str]:
    """Returns which tensors and metadata of two checkpoints differ."""
    from safetensors import safe_open

    from toolkit.checkpoints import verify

    for path in (one, other):
        verify(path)
    with safe_open(one, "pt") as mine, safe_open(other, "pt") as theirs:
        names = set(mine.keys()) | set(theirs.keys())
        differing = sorted(
            name for name in names
            if name not in mine.keys() or name not in theirs.keys()  # noqa: SIM118
            or not mine.get_tensor(name).equal(theirs.get_tensor(name))
        )  # fmt: skip
        if mine.metadata() != theirs.metadata():
            differing.append("its metadata")
    return [f"{one.name}: {len(differing)} differ, such as {differing[0]}"] if differing else []


def main() -> None:
    """Parses, runs, reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        sys.exit("This needs Linux's /proc, to see which processes are left.")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    (folder / "printed").mkdir()
    try:
        with Server(folder / "printed") as server:
            found = soak(server, folder, arguments.kills, arguments.steps, arguments.seed)
    except Failure as error:
        found = [str(error)]
    for line in found:
        print(line)
    if found:
        print(f"FAILED: the runs are in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    print(f"The same to the last bit after {arguments.kills} kills.")


if __name__ == "__main__":
    main()
