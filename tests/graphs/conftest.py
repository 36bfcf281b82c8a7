"""Small networks as restorers."""

import pytest
import torch

from toolkit_restorers.network import Fitted, Network


class Upscaler(torch.nn.Module):
    """A network x4 with random weights that admits sides of even length alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.down = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.up = torch.nn.Conv2d(8, 3 * 64, 3, padding=1)

    def forward(self, x):
        sr = torch.nn.functional.pixel_shuffle(self.up(self.down(x).relu()), 8)
        return sr + torch.nn.functional.interpolate(x, scale_factor=4, mode="nearest")


class Even(Network):
    """Restores images of all sides with it."""

    def __init__(self, network):
        super().__init__("tiny", network)

    def network(self):
        return Fitted(self._network, 4, multiple=2)

    def __call__(self, lr):
        with torch.inference_mode():
            return self.network()(lr)


@pytest.fixture
def tiny():
    """A restorer with random weights."""
    return Even(Upscaler())


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The file of its graph, alone in a folder."""
    from toolkit.graphs import write_graph

    path = tmp_path_factory.mktemp("graphs") / "tiny.onnx"
    write_graph(Even(Upscaler()), path, {"licence": "MIT"})
    return path


@pytest.fixture(scope="session")
def photographs(photo_folder):
    """LR photographs of odd sides, `[1, 3, h, w]`."""
    from toolkit.images import bicubic_resize, read_picture

    image = read_picture(min(photo_folder.iterdir())).rgb[None]
    sizes = (37, 53), (16, 16), (200, 131)
    return [bicubic_resize(image, size).clamp(0, 1) for size in sizes]
