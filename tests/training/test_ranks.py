"""Trainings of several processes: each does what one alone would do."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import pytest
import torch

from toolkit.checkpoints import checkpoints, load_part, read_metadata
from toolkit.runs import Run

OPTIONS = (
    "train", "--data", "photos:heldout", "--batch", "4", "--set", "train.crop=32",
    "--set", "gen.lora_rank=2", "--set", "train.device=cpu", "--set", "train.precision=float32",
    "--set", "train.sample_every=0",
)  # fmt: skip
MORE = ("--set", "disc.lora_rank=2", "--set", "train.ema=0.9", "--set", "train.clip=0.02")
PIECES = ("--set", "train.accumulate=2")
SHARDED = ("--set", "train.shard=true")
LOWER = "from toolkit.training import speed; speed._LARGE = 1"
KINDS = {
    "nad": ("--disc", "nad", "--loss", "mse", *MORE),
    "diffusion-gan": ("--disc", "diffusion-gan", "--loss", "mse", *MORE),
    "ea-dists": ("--disc", "nad", "--loss", "ea-dists", *MORE),
}
WAYS = {"whole": (1, ()), "pieces": (1, PIECES), "two": (2, ())}


def well(processes):
    """Waits for processes that are to end well; returns how they did."""
    ended = [process.wait() for process in processes]
    assert [each.code for each in ended] == [0] * len(ended), ended
    return ended


@pytest.fixture(scope="module")
def trained(server, tmp_path_factory):
    """Trains two steps of a kind in a way, once."""
    done = {}

    def train(kind, way):
        if (kind, way) not in done:
            run = Run(tmp_path_factory.mktemp("runs") / f"{kind}-{way}")
            go(server, run, way, *OPTIONS, *KINDS[kind], "--steps", "2")
            done[kind, way] = run
        return done[kind, way]

    return train


def go(server, run, way, *arguments, before=""):
    count, more = WAYS[way]
    arguments = (*arguments, *more, "--out", run.folder)
    return well(
        [server.start(*arguments, before=before)]
        if count == 1
        else server.ranks(count, *arguments, before=before)
    )


def weights(run):
    newest = checkpoints(run.checkpoints)[-1]
    names = json.loads(read_metadata(newest)["parts"])
    return {
        f"{part}/{name}": tensor
        for part in names
        for name, tensor in load_part(newest, part).items()
    }


def figures(run):
    return dict(run.read_log())


def assert_equal(one, other):
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert [name for name, tensor in mine.items() if not torch.equal(tensor, theirs[name])] == []
    assert one.log.read_text() == other.log.read_text()


def assert_close(one, other):
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(
            tensor, theirs[name], rtol=1e-5, atol=1e-5, msg=lambda told, n=name: f"{n}: {told}"
        )
    assert figures(one).keys() == figures(other).keys()
    for step, values in figures(one).items():
        assert values == pytest.approx(figures(other)[step], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("kind", ["nad", "diffusion-gan"])
def test_two_processes_train_as_one_does(trained, kind):
    assert_close(trained(kind, "two"), trained(kind, "whole"))


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_exactly_as_one_with_two_pieces(trained, kind):
    assert_equal(trained(kind, "two"), trained(kind, "pieces"))


CHANGES = {
    "two processes, then one with two pieces": ("two", "pieces", assert_equal),
    "two processes, then one": ("two", "whole", assert_close),
    "one with two pieces, then two processes": ("pieces", "two", assert_equal),
    "one, then two processes": ("whole", "two", assert_close),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_goes_on_with_another_number_of_processes(server, trained, tmp_path, change):
    before, after, assert_same = CHANGES[change]
    run = Run(tmp_path / "run")
    go(server, run, before, *OPTIONS, *KINDS["diffusion-gan"], "--steps", "1")
    pieces = "1" if after == "two" else str(1 + (after == "pieces"))
    go(server, run, "whole" if after == "pieces" else after, "train", "--resume", "--steps", "2",
       "--set", f"train.accumulate={pieces}")  # fmt: skip
    assert_same(run, trained("diffusion-gan", "two"))


def test_sharded_weights_change_nothing(server, trained, photo_folder, tmp_path):
    """Among the photographs to validate on, three, one rank has more than the other."""
    more = (*KINDS["nad"], "--steps", "2", "--set", "train.sample_every=9",
            "--set", "train.validate_every=9", "--set", "train.validate_metrics=psnr",
            "--set", "train.validate_crop=32", "--set", f"train.validate_on=folder:{photo_folder}",
            "--set", "backbone.checkpointing=true")  # fmt: skip
    plain, sharded = Run(tmp_path / "plain"), Run(tmp_path / "sharded")
    go(server, plain, "two", *OPTIONS, *more)
    go(server, sharded, "two", *OPTIONS, *more, *SHARDED, before=LOWER + WHOLLY)
    assert_close(sharded, plain)
    scores, theirs = (dict(run.read_validation()) for run in (sharded, plain))
    assert scores == {2: pytest.approx(theirs[2], rel=1e-5)}
    images = [
        cv2.imread(str(run.samples / "step-0000002.png")).astype(int) for run in (sharded, plain)
    ]
    assert abs(images[0] - images[1]).max() <= 1
    assert read_metadata(sharded.checkpoints / "best.safetensors")["step"] == "2"


WHOLLY = """
from toolkit.training import loop
from torch.distributed.fsdp import FSDPModule
from toolkit.abilities import networks_of
take = loop.train_step

def train_step(system, *given):
    done = take(system, *given)
    parts = (system.generator, system.discriminator)
    modules = [module for part in parts for network in networks_of(part).values()
               for module in network.modules() if isinstance(module, FSDPModule)]
    assert len(modules) > 10
    for module in modules:
        for parameter in module.parameters(recurse=True):
            assert parameter.requires_grad or hasattr(parameter, "to_local"), "gathered"
    return done

loop.train_step = train_step
"""
"""Checks after each step that no block's frozen weights are left whole."""


def test_one_process_has_nothing_to_shard_over(server, tmp_path):
    ended = server.start(*OPTIONS, *KINDS["nad"], *SHARDED, "--out", tmp_path / "run").wait()
    assert ended.code == 2
    assert "there is one" in ended.err
    assert "torchrun --nproc-per-node=2 -m toolkit train" in ended.err
    assert not (tmp_path / "run").exists()


ALONE = """
import json, os, torch
from toolkit.training.ranks import joined
from toolkit.training.watch import sum_gradients

with joined("cpu") as ranks:
    rank = ranks.rank
    mixed = [torch.full((2, 2), rank + 1.0), torch.tensor([rank]), torch.tensor(rank + 0.5),
             torch.tensor([1.5 + rank], dtype=torch.bfloat16)]
    ranks.add(mixed)
    turned = torch.arange(6.0).reshape(2, 3).T * (rank + 1)
    ranks.add([turned])
    copied = [torch.full((2,), float(rank)), torch.tensor(rank)]
    ranks.copy(copied)
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.ones(2)
    if rank:
        parameters[1].grad = torch.ones(2)
    sum_gradients(ranks, parameters)
    ranks.wait()
    told = {
        "first": ranks.first, "size": ranks.size, "device": str(ranks.device),
        "added": [each.tolist() for each in mixed], "turned": turned.tolist(),
        "copied": [each.tolist() for each in copied],
        "joined": ranks.join(torch.tensor([[rank]])).tolist(),
        "gathered": ranks.gather({"rank": rank}), "shared": ranks.share(f"of {rank}"),
        "gradients": [None if each.grad is None else each.grad.tolist() for each in parameters],
    }
print(json.dumps(told))
raise SystemExit
"""


def test_what_ranks_exchange(server):
    told = [json.loads(each.out) for each in well(server.ranks(2, before=ALONE))]
    assert [each.pop("first") for each in told] == [True, False]
    assert told[0] == told[1]
    assert told[0] == {
        "size": 2,
        "device": "cpu",
        "added": [[[3.0, 3.0], [3.0, 3.0]], [1], 2.0, [4.0]],
        "turned": [[0.0, 9.0], [3.0, 12.0], [6.0, 15.0]],
        "copied": [[0.0, 0.0], 0],
        "joined": [[0], [1]],
        "gathered": [{"rank": 0}, {"rank": 1}],
        "shared": "of 0",
        "gradients": [[2.0, 2.0], [1.0, 1.0], None],
    }


def of_rank(rank, launcher):
    """The process that a launcher has started as this rank; None if there is none yet."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            environment = (folder / "environ").read_bytes().split(b"\0")
            if int(parent) == launcher and f"RANK={rank}".encode() in environment:
                return int(folder.name)
    return None


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_torchrun_starts_again_after_a_process_was_killed(server, begun, tmp_path):
    undisturbed, run = Run(tmp_path / "undisturbed"), Run(tmp_path / "run")
    options = (*OPTIONS, *KINDS["nad"], "--steps", "8", "--set", "train.checkpoint_every=1")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node=2", "--max-restarts=1", "-m", "toolkit", *options,
               "--out", str(run.folder)]  # fmt: skip
    launcher = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "400", "TERMINAL_WIDTH": "400"},
    )  # fmt: skip
    go(server, undisturbed, "two", *options)
    begun(run, steps=2)
    os.kill(of_rank(1, launcher.pid), signal.SIGKILL)
    out, _ = launcher.communicate(timeout=200)
    assert launcher.returncode == 0, out
    assert "Another of the 2 processes of this training has ended without a message" in out
    assert out.count("Trained 8 steps") == 1
    assert_equal(run, undisturbed)
