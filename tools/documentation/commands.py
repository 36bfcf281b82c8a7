"""Describes the commands and their options in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from documentation.options import entry
from toolkit.cli.app import app

_FLAGS = {"bool": "", "Path": "PATH", "str": "TEXT", "int": "N", "float": "N"}
_INTRODUCTION = """# Commands

What `toolkit COMMAND --help` prints, for all commands. Exit codes: 0 for success, 1 for a failure,
2 for wrong usage, 130 when Ctrl-C stopped the work. `--debug`, allowed anywhere, shows the
traceback of an error, and details of what went wrong without stopping the work.
"""


def commands_page() -> str:
    """Returns a section for each command, in the order of `toolkit --help`."""
    parts = [_INTRODUCTION]
    for names, command in _commands(typer.main.get_command(app), ()):
        parts.append(f"## `{' '.join(('toolkit', *names))}`\n")
        parts.append(f"```text\n{_usage(names, command)}\n```\n\n{_help(command.help or '')}")
        parts += [_entry(parameter) for parameter in command.params if not parameter.hidden]
    return "\n".join(parts)


def _commands(group: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*names, name))
        elif not command.hidden:
            yield (*names, name), command


def _help(text: str) -> str:
    """Makes a code block of the examples that end a help text."""
    about, *examples = re.split(r"^Examples?:", text, maxsplit=1, flags=re.MULTILINE)
    if not examples:
        return f"{about}\n"
    lines = [line.strip() for line in examples[0].splitlines() if line.strip()]
    return f"{about.rstrip()}\n\n```sh\n" + "\n".join(lines) + "\n```\n"


def _usage(names: tuple[str, ...], command: Any) -> str:
    arguments = [each.metavar or each.name.upper() for each in _arguments(command)]
    return " ".join(("toolkit", *names, "[OPTIONS]", *arguments))


def _arguments(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "argument"]


def _entry(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return entry(parameter.metavar or parameter.name.upper(), "", "", parameter.help or "")
    value = parameter.metavar or _choices(parameter)
    named = ", ".join([*parameter.opts, *parameter.secondary_opts])
    is_repeated = parameter.multiple and "may be repeated" not in (parameter.help or "")
    name = f"{named} {value}".strip()
    return entry(name, "may be repeated" * is_repeated, _default(parameter), parameter.help or "")


def _choices(parameter: Any) -> str:
    """Returns the values that an option takes: a list of words, or a placeholder."""
    if parameter.is_flag:
        return ""
    annotation = parameter.type_descriptor.annotation
    members = getattr(annotation, "__members__", None)
    if members:
        return "|".join(str(member.value) for member in members.values())
    return _FLAGS.get(getattr(annotation, "__name__", ""), "TEXT")


def _default(parameter: Any) -> str:
    shown, value = parameter.show_default, parameter.default
    if isinstance(shown, str):
        return f"default: {shown}"
    value = getattr(value, "value", value)
    if not shown or parameter.is_flag or value in (None, "", (), []):
        return ""
    return f"default `{value}`"
