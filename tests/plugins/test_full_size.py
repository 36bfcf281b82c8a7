"""The paper's own networks at full size, with random weights, on a processor."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

RESTORE = """
import json, resource, torch, toolkit
restorer = toolkit.make("generator", "one-step:sd21:random").as_restorer()
sr = restorer(torch.rand(1, 3, 128, 128))
print(json.dumps({
    "shape": list(sr.shape), "finite": bool(sr.isfinite().all()), "std": sr.std().item(),
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""

STEP = """
import json, resource, torch
from toolkit.recipe import compose, resolve
from toolkit.discovery import installed
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import train_step

flags = {"backbone": "sd21:random", "disc": "nad:sd21:random", "loss": "ea-dists"}
options = ["train.crop=256", "train.batch=1", "train.precision=float32", "train.device=cpu",
           "backbone.checkpointing=true", "disc.backbone.checkpointing=true"]
system = build_system(resolve(compose({}, flags, options), installed()), installed())
with torch.no_grad():  # LoRA's second factor starts at zero, and would hold back the first
    for learner in system.learners.values():
        for name, parameter in learner.parameters.items():
            if "lora_B" in name:
                parameter.normal_(std=1e-3)
hr = torch.rand(1, 3, 256, 256)
losses = train_step(system, Batch(torch.nn.functional.avg_pool2d(hr, 4), hr), 0).losses
trained = {id(p) for each in system.learners.values() for p in each.parameters.values()}
parts = [*system.generator.networks.values(), *system.discriminator.networks.values()]
print(json.dumps({
    "losses": losses,
    "trained": {part: len(each.parameters) for part, each in system.learners.items()},
    "without": [name for each in system.learners.values() for name, p in each.parameters.items()
                if p.grad is None or not p.grad.any()],
    "elsewhere": [name for part in parts for name, p in part.named_parameters()
                  if id(p) not in trained and p.grad is not None],
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""


def run(script):
    """In a process of its own, whose memory is then known."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_sd21_restores_to_512_pixels_in_8_gb():
    found = run(RESTORE)
    assert found["shape"] == [1, 3, 512, 512]
    assert found["finite"]
    assert found["std"] > 0.01
    assert found["peak"] < 8e9


@pytest.mark.weights
def test_a_step_against_nad_trains_what_should_train_in_24_gb():
    found = run(STEP)
    assert found["losses"].keys() == {"mse", "ea-dists", "adversarial", "discriminator"}
    assert found["trained"]["generator"] > 500
    assert found["trained"]["discriminator"] > 200
    assert found["without"] == []
    assert found["elsewhere"] == []
    assert found["peak"] < 24e9
