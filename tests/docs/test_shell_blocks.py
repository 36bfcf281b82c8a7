"""Every `toolkit` command of a shell block parses: its options exist, and take such values."""

import shlex

import pytest
import typer
from code_blocks import all_blocks

from toolkit.cli.app import app

SEPARATORS = {"|", "||", "&&", ";", ">", ">>", "<"}
COMMAND = typer.main.get_command(app)
OWN_OPTIONS = {name for each in COMMAND.params for name in each.opts}
"""What `toolkit` itself takes, such as --version, which acts as soon as it is parsed."""
FAULTS = (KeyError, typer.BadParameter.__base__)
"""An unknown command, and a click error about options and arguments."""


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
        if command is COMMAND and name in OWN_OPTIONS:
            return
        command = command.commands[name]
    command.make_context(name, list(arguments))


NAMED = [
    pytest.param(arguments, id=f"{page}: {' '.join(arguments)}")
    for page, code in all_blocks("sh", "console")
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
