"""The command line inside this process, and a run that is trained once."""

import contextlib
import io
import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from toolkit.cli import main
from toolkit.discovery import installed


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """The one JSON document on stdout."""
        return json.loads(self.out)


@pytest.fixture
def photo(tmp_path, photo_folder):
    """A small photograph, 24 x 20 pixels."""
    source = cv2.imread(str(min(photo_folder.iterdir())))
    assert cv2.imwrite(str(tmp_path / "photo.png"), cv2.resize(source, (24, 20)))
    return tmp_path / "photo.png"


@pytest.fixture(scope="session")
def cli():
    """Calls `toolkit` with arguments, on a wide screen without colours."""

    def call(*arguments, columns=400):
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with pytest.MonkeyPatch.context() as patch:
            for name in ("COLUMNS", "TERMINAL_WIDTH"):
                patch.setenv(name, str(columns))
            patch.setenv("NO_COLOR", "1")
            patch.setattr(sys, "argv", ["toolkit", *map(str, arguments)])
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main()
                except SystemExit as ended:
                    code = ended.code or 0
        return Result(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def mistake(cli):
    """Calls `toolkit` wrongly: one panel on stderr, no traceback, nothing on stdout."""

    def call(*arguments, code=2):
        result = cli(*arguments)
        assert result.code == code, result
        assert result.out == ""
        assert result.err.count("─ Error ─") == 1
        assert "Traceback" not in result.err
        return result.err

    return call


@pytest.fixture(scope="session")
def smallest(photo_folder):
    """Options of the smallest training that there is."""
    return (
        "--data", photo_folder, "--disc", "none", "--loss", "mse", "--batch", "1",
        "--set", "train.crop=32", "--set", "train.sample_every=0", "--set", "train.device=cpu",
        "--set", "gen.lora_rank=2",
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(cli, smallest, tmp_path_factory):
    """A run of two steps; not to be written into."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    result = cli("train", *smallest, "--steps", 2, "--out", folder)
    assert result.code == 0, result.err
    return folder


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a plugin of this source as `faulty-plugin`, for this test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))

    def put(source):
        (tmp_path / "faulty_plugin.py").write_text(textwrap.dedent(source))
        info = tmp_path / "faulty_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-plugin\nVersion: 1")
        (info / "entry_points.txt").write_text("[toolkit]\nfaulty = faulty_plugin\n")
        installed.cache_clear()

    yield put
    sys.modules.pop("faulty_plugin", None)
    installed.cache_clear()


@pytest.fixture
def faulty(install):
    """The plugin of `faulty_plugin.py` is installed, for this test."""
    install(Path(__file__).with_name("faulty_plugin.py").read_text())


@pytest.fixture
def at_fault(mistake):
    """Calls `toolkit`; the error names the component at fault, `told` its kind, name and words."""

    def call(*arguments, told):
        kind, name, words = told
        text = " ".join(mistake(*arguments, code=1).replace("│", " ").split())
        assert f"The {kind} '{name}' of faulty-plugin {words}" in text
        assert "This is a bug in faulty-plugin: report it" in text
        assert "Check free space" not in text

    return call
