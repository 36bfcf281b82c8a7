"""The command line inside this process, and a run that is trained once."""

import contextlib
import io
import json
import sys
from dataclasses import dataclass

import pytest

from toolkit.cli import main


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


@pytest.fixture(scope="session")
def cli():
    """Calls `toolkit` with arguments, on a wide screen without colours."""

    def call(*arguments):
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"COLUMNS": "400", "TERMINAL_WIDTH": "400", "NO_COLOR": "1"}.items():
                patch.setenv(name, value)
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
