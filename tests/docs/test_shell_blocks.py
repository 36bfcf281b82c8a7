"""Every `toolkit` command of a shell block parses: its options exist, and take such values."""

import shlex
from pathlib import Path

import pytest
import typer

from documentation.links import prose
from toolkit.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = sorted({
    ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md"),
    ROOT / "benchmarks/README.md", *ROOT.glob("examples/*/README.md"),
})  # fmt: skip
SHELLS = ("sh", "console")
SEPARATORS = {"|", "||", "&&", ";", ">", ">>", "<"}
COMMAND = typer.main.get_command(app)
FAULTS = (KeyError, typer.BadParameter.__base__)
"""An unknown command, and a click error about options and arguments."""


def blocks(text):
    """The code blocks of a page, as (language, code)."""
    lines, language = [], None
    for line, is_prose in prose(text):
        if is_prose:
            if lines:
                yield language, "".join(lines[1:-1])
            lines = []
        else:
            if not lines:
                language = line.strip().lstrip("`~").split(" ")[0].strip()
            lines.append(line)


def commands(code):
    """The arguments of each call of `toolkit` in a shell's code."""
    for line in code.replace("\\\n", " ").splitlines():
        words = [*shlex.split(line.removeprefix("$ "), comments=True), ";"]
        while words:
            end = next(n for n, word in enumerate(words) if word in SEPARATORS)
            called, words = words[:end], words[end + 1 :]
            if "toolkit" in called and (called[0] in ("toolkit", "torchrun", "accelerate")
                                        or "=" in called[0]):  # fmt: skip
                yield called[called.index("toolkit") + 1 :]


def parse(arguments):
    """Parses a command without running it; raises one of `FAULTS` if that is not possible."""
    # Parsing a URL needs the package of its storage, which need not be installed.
    command, arguments = COMMAND, [word.replace("s3://", "s3/") for word in arguments]
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context(name, list(arguments))


COMING = [["plugins", each] for each in ("new", "check", "freeze", "install")]
"""Commands that the pages describe before they exist."""


def marks(arguments):
    coming = arguments[:2] in COMING
    return [pytest.mark.xfail(strict=True, reason="it comes later")] if coming else []


NAMED = [
    pytest.param(
        arguments,
        id=f"{page.relative_to(ROOT)}: {' '.join(arguments)}",
        marks=marks(arguments),
    )
    for page in PAGES
    for language, code in blocks(page.read_text(encoding="utf-8"))
    if language in SHELLS
    for arguments in commands(code)
]


def test_the_commands_are_found():
    assert len(NAMED) > 150


@pytest.mark.parametrize("arguments", NAMED)
def test_a_command_parses(arguments):
    parse(arguments)


@pytest.mark.parametrize(
    "line", ["toolkit restore a.jpg --wiht x", "toolkit train --steps many", "toolkit plugins lst"]
)
def test_what_does_not_parse_is_found(line):
    (arguments,) = commands(line)
    with pytest.raises(FAULTS):
        parse(arguments)
