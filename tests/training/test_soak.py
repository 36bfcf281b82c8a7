"""A training that is killed again and again, as `make soak` does for longer, or has no space."""

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_a_training_survives_kills(server, tmp_path):
    spec = importlib.util.spec_from_file_location("soak", Path(__file__).with_name("soak.py"))
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    said = []
    assert soak.soak(server, tmp_path, kills=3, steps=9, say=said.append) == []
    assert [line.partition(":")[0] for line in said[1:]] == [
        "kill 1 of 3, anywhere",
        "kill 2 of 3, checkpoint",
        "kill 3 of 3, alone",
    ]


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))
"""


def test_a_file_system_that_takes_no_more_is_told_by_the_command(server, tmp_path):
    """Really: no file may grow beyond a size that a checkpoint exceeds."""
    arguments = (
        "train", "--data", "photos:heldout", "--disc", "none", "--loss", "mse", "--batch", "1",
        "--steps", "2", "--set", "train.crop=32", "--set", "train.sample_every=0",
        "--set", "train.device=cpu", "--set", "gen.lora_rank=2",
    )  # fmt: skip
    folder = tmp_path / "run"
    ended = server.start(*arguments, "--out", folder, before=LIMITED.format(100_000)).wait()
    assert ended.code == 1
    assert f"Cannot write to {folder}: File too large." in ended.err
    assert f"toolkit train --resume --out {folder}" in ended.err
    assert "Traceback" not in ended.err
    assert list((folder / "checkpoints").iterdir()) == []
    assert server.start("train", "--resume", "--out", folder).wait().code == 0
    assert [path.name for path in Path(folder / "checkpoints").iterdir()] == [
        "step-0000002.safetensors"
    ]
