"""The page, served by the command, and photographs for it."""

import functools
import importlib.util
import os
import re
import subprocess
import sys

import cv2
import pytest
from PIL import Image

import toolkit
from toolkit.ui.offers import Offer


@pytest.fixture(scope="session")
def load():
    return functools.cache(functools.partial(toolkit.load, device="cpu"))


@pytest.fixture(scope="session")
def offered():
    return [Offer("bicubic", "bicubic", "Bicubic"), Offer("pocket", "pocket", "Pocket")]


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Starts `toolkit ui` with options; returns the process and the page's address."""
    if not importlib.util.find_spec("gradio"):
        pytest.skip("Gradio is not installed")
    started = []

    def start(*options):
        # What Gradio would read there, the page must not follow.
        hostile = {"GRADIO_SHARE": "True", "GRADIO_ALLOWED_PATHS": "/", "GRADIO_ROOT_PATH": "/x"}
        command = [sys.executable, "-m", "toolkit", "ui", "--no-browser", "--port", "0", *options]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            env=os.environ | hostile | {"TMPDIR": str(tmp_path_factory.mktemp("temporary"))},
        )  # fmt: skip
        started.append(process)
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                return process, found[0]
        pytest.fail(f"toolkit ui ended with {process.wait()}")

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="session")
def served(serve):
    """The address of a page that takes uploads of 2 MB, with bicubic first."""
    return serve("--with", "bicubic", "--max-upload", "2")[1]


@pytest.fixture
def photographs(tmp_path, photo_folder):
    """A JPEG with EXIF, a PNG and a broken JPEG, each with its name."""
    first, second, *_ = sorted(photo_folder.iterdir())
    folder = tmp_path / "given"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    Image.open(first).resize((40, 30)).save(folder / "first.jpg", exif=exif, dpi=(240, 240))
    assert cv2.imwrite(str(folder / "second.png"), cv2.imread(str(second))[:25, :35])
    (folder / "broken.jpg").write_bytes((folder / "first.jpg").read_bytes()[:900])
    return folder


@pytest.fixture
def restored(photographs, tmp_path):
    """Returns the bytes that `toolkit restore` writes."""
    from toolkit.discovery import installed
    from toolkit.restoring.folder import Files, restore_files
    from toolkit.restoring.jobs import plan_jobs
    from toolkit.restoring.opening import note_on, open_restorer
    from toolkit.restoring.treatment import Treatment, colour_for

    def by(name, restorer="bicubic", **settings):
        opened = open_restorer(restorer, installed(), {})
        jobs = plan_jobs([photographs / name], tmp_path / "expected")
        treatment = Treatment(colour=colour_for(opened, None), **settings)
        [done] = restore_files(opened, jobs, treatment, Files(note=note_on(opened, restorer)))
        return done.job.destination.read_bytes()

    return by
