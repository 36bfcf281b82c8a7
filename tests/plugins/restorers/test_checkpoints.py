"""Networks from files of the layouts that their authors published."""

from __future__ import annotations

import re

import pytest
import torch

import toolkit
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.errors import WeightsError
from toolkit_restorers.checkpoints import swinir_l
from toolkit_restorers.esrgan import rrdb


def as_kair(name):
    """A layer's name in BSRGAN's file."""
    name = re.sub(r"body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2", name)
    for new, old in {"conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv"}.items():
        name = name.replace(new, old)
    return name


def as_ours(name):
    """A layer's name in Real-ESRGAN's files."""
    name = re.sub(r"RRDB_trunk\.(\d+)\.RDB(\d)", r"body.\1.rdb\2", name)
    for new, old in {"conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv"}.items():
        name = name.replace(old, new)
    return name


LAYOUTS = {
    "bsrgan": (rrdb, lambda state: state),
    "swinir": (swinir_l, lambda state: {"params_ema": state}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_of_the_published_layout_is_read_whole(tmp_path, name):
    torch.manual_seed(0)
    network, wrap = LAYOUTS[name]
    made = network().eval()
    torch.save(wrap(made.state_dict()), tmp_path / "weights.pth")
    restorer = toolkit.make("restorer", f"{name}:{tmp_path / 'weights.pth'}")
    lr = torch.rand(1, 3, 13, 18)
    sr = restorer(lr)
    assert sr.shape == (1, 3, 52, 72)
    with torch.inference_mode():
        torch.testing.assert_close(sr, made(lr).clamp(0, 1))


def test_the_published_sizes():
    hollow = Context(installed(), read_weights=False)
    with torch.device("meta"):
        counts = {
            name: sum(
                parameter.numel()
                for network in hollow.make("restorer", name).networks.values()
                for parameter in network.parameters()
            )
            for name in ("bsrgan", "swinir", "span")
        }
    assert counts == {"bsrgan": 16_697_987, "swinir": 28_013_059, "span": 426_288}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not weights", "not a plain file of tensors"),
        ({"a": torch.zeros(1)}, "not a checkpoint that spandrel supports"),
        (None, "There is no file"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, told):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=told) as caught:
        toolkit.make("restorer", f"swinir:{path}")
    assert str(path) in str(caught.value)
