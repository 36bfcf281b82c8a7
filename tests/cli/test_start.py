"""Starting: at once, with help, and with plain words for a wrong command."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "cv2", "diffusers", "transformers", "peft", "safetensors"}
COMMANDS = ["train", "restore", "degrade", "eval", "plugins"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"], ["train", "--help"], ["restore", "--help"], ["degrade", "--help"],
        ["eval", "--help"],
        ["plugins", "list"], ["plugins", "list", "--format", "json"], ["plugins", "show", "nad"],
        ["train", "--dry-run"], ["train", "--disc", "nat"], ["degrade"],
        ["degrade", "--diff", "x4plus", "bsrgan"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_nothing_heavy_is_loaded(arguments):
    code = (
        "import sys\nfrom toolkit.cli import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        f"print(*({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout or "Error" in done.stderr
    assert done.stderr.splitlines()[-1] == ""


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([name, "-h"] for name in COMMANDS)])
def test_help_is_a_result(cli, arguments):
    result = cli(*arguments)
    assert result.code == 0
    assert "Usage: toolkit" in result.out
    assert result.err == ""


def test_help_names_every_command(cli):
    shown = cli("--help").out
    assert all(f" {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["plugins"], ["restore"], ["plugins", "show"]])
def test_too_few_words_are_wrong_use(cli, arguments):
    result = cli(*arguments)
    assert result.code == 2
    assert "Usage: toolkit" in result.out + result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trian"], "trian"),
        (["train", "--stepz", "3"], "--steps"),
        (["train", "--steps", "many"], "'--steps'"),
        (["plugins", "list", "--format", "xml"], "xml"),
        (["restore", "a.png", "--colour", "pink"], "pink"),
        (["restore", "a.png", "--tile", "-1"], "'--tile'"),
    ],
)
def test_wrong_words_are_named(mistake, arguments, told):
    assert told in mistake(*arguments)


def test_debug_shows_the_traceback_wherever_it_stands(cli):
    for arguments in (["--debug", "train", "--disc", "nat"], ["train", "--disc", "nat", "--debug"]):
        result = cli(*arguments)
        assert result.code == 2
        assert "Traceback" in result.err
        assert "UnknownComponentError" in result.err
