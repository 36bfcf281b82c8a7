"""What tests of several parts share."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from hypothesis import settings

from toolkit import makers
from toolkit.errors import ComponentError
from toolkit.makers import Maker

HELDOUT = Path(__file__).parents[1] / "plugins/photos/toolkit_photos/data/heldout"

# Before torch is imported, here and in the commands that tests run: on images this small further
# threads gain nothing, and wait for each other for minutes when the cores are busy.
os.environ["OMP_NUM_THREADS"] = "1"

# The same examples every time, however busy the machine is.
settings.register_profile("toolkit", derandomize=True, deadline=None)
settings.load_profile("toolkit")


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    """Three real photographs of 96 x 80 pixels; not to be written into."""
    folder = tmp_path_factory.mktemp("photos")
    for path in sorted(HELDOUT.glob("*.webp"))[:3]:
        pixels = cv2.resize(cv2.imread(str(path)), (96, 80), interpolation=cv2.INTER_AREA)
        assert cv2.imwrite(str(folder / f"{path.stem}.png"), pixels)
    return folder


@pytest.fixture
def toolkit_home(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


_BROWSERS = ("chromium", "chromium-browser", "chrome")
_LISTEN = "<script>const faults = []; onerror = message => { faults.push(message) };</script>"


@pytest.fixture
def in_browser(tmp_path):
    """Opens a page from disk, runs a script in it, and returns the title that the script sets.

    `faults` are the errors of the page.
    """
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if not browser:
        pytest.skip("there is no Chromium here")

    def open_(page, script):
        script = f'<script>addEventListener("load", () => {{ {script} }});</script>'
        page = page.replace("<head>", f"<head>{_LISTEN}", 1).replace("</body>", f"{script}</body>")
        (tmp_path / "opened.html").write_text(page)
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu",
                   "--virtual-time-budget=5000", f"--user-data-dir={tmp_path / 'profile'}",
                   "--dump-dom", (tmp_path / "opened.html").as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return re.search(r"<title>(.*?)</title>", done.stdout)[1]

    return open_


class Part:
    """An object of any kind that returns what it is given."""

    scale, name, fingerprint = 4, "part", {"version": "1"}

    def __init__(self, value=None, **more):
        import torch  # not before the threads are set

        self.value = value
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.__dict__.update(more)

    def __call__(self, *_):
        return self.value

    predict = encode = logits = as_restorer = __getitem__ = __call__

    def target(self, _hr):
        return self.value

    def trainable(self):
        return {"weight": self.weight}

    def state(self):
        return {"weight": self.weight.detach()}

    def to(self, _device):
        return None


@pytest.fixture
def part(monkeypatch):
    """Makes an object that returns a value, as if a plugin had made it."""
    known = {}
    monkeypatch.setattr(makers, "_MAKERS", known)

    def make(value=None, kind="loss", **more):
        made = Part(value, **more)
        known[id(made)] = Maker(kind, "rough", "my-plugin", held=made)
        return made

    return make


@pytest.fixture
def refused():
    """Within its block that object is told to be at fault."""
    return lambda told: pytest.raises(
        ComponentError, match=rf"^The \w+ 'rough' of my-plugin .*{told}"
    )


@pytest.fixture
def model_hub(tmp_path, monkeypatch):
    """A model hub on this machine, with an empty cache and a token that may write."""
    import hub_server
    from huggingface_hub import constants

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with hub_server.running() as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": server.url, "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN_PATH": str(tmp_path / "hf" / "token"),
            "HF_STORED_TOKENS_PATH": str(tmp_path / "hf" / "stored"),
            "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True,
        }.items():  # fmt: skip
            monkeypatch.setattr(constants, name, value)
            monkeypatch.setenv(name, str(value) if not isinstance(value, bool) else str(int(value)))
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
        yield server


@pytest.fixture
def modules_cache(tmp_path, monkeypatch):
    """Where diffusers copies the code of pipelines to."""
    folder = tmp_path / "modules"
    monkeypatch.setattr("diffusers.utils.dynamic_modules_utils.HF_MODULES_CACHE", str(folder))
    monkeypatch.setattr("sys.path", sys.path[:])
    return folder


@pytest.fixture
def dead_url():
    """An address of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/net.bin"
