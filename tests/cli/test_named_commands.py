"""Every command and option that the code or a page names exists, be it followed or not."""

import ast
import re
from pathlib import Path

import pytest
import typer

from toolkit.cli.app import app

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for place in ("toolkit", "plugins", "examples")
    for path in sorted((ROOT / place).rglob("*.py"))
    if not {"build", "tests", ".venv"} & set(path.parts)
]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += sorted(path for path in (ROOT / "plugins").rglob("*.md") if "LAB_BOOK" not in path.name)
ROOT_COMMAND = typer.main.get_command(app)
COMMANDS = "|".join(ROOT_COMMAND.commands)
PIPS = {"--no-deps", "--force-reinstall"}
TORCHRUNS = {"--nproc-per-node"}
DOCKERS = {"--shm-size"}
CALL_PIP = {"installing.py", "packages.py"}


def texts(path):
    """Every text of a module, in one piece; what is filled in later is an ellipsis."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
              for part in node.values}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…"
                          for part in node.values)  # fmt: skip
        elif isinstance(getattr(node, "value", None), str) and id(node) not in within:
            yield node.value


def commands(text):
    """Whatever follows `toolkit` and the name of a command, to the end of its line."""
    for line in text.splitlines():
        for start in re.finditer(rf"(?<![\w./-])toolkit (?=(?:{COMMANDS})\b)", line):
            said = re.split(r"`|  +#| > |$|\)(?:\.|,|;|$)", line[start.end():])[0]  # fmt: skip
            yield said.rstrip(".,;:")


def fault(said):
    """What of a command does not exist; empty where all of it does."""
    command, words = ROOT_COMMAND, said.split()
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    named = [word.partition("=")[0] for word in words if word.startswith("--")]
    return " ".join(f"no option {name}" for name in named if name not in options_of(command))


def options_of(command):
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {
        "--help", "--debug", "--version",
    }  # fmt: skip


def all_options(command=ROOT_COMMAND):
    found = options_of(command)
    for each in getattr(command, "commands", {}).values():
        found |= all_options(each)
    return found


NAMED = [(path, said) for path in SOURCES for text in texts(path) for said in commands(text)]
NAMED += [(path, said) for path in PAGES for said in commands(path.read_text(encoding="utf-8"))]


def test_the_commands_are_found():
    files = {path.name for path, _ in NAMED}
    assert {"wording.py", "runs.py", "needs.py", "data.py", "exporting.py",
            "README.md"} <= files  # fmt: skip
    assert len(NAMED) > 80


def test_what_is_named_is_there():
    lost = {f"{path.relative_to(ROOT)}: {said}": fault(said) for path, said in NAMED}
    assert {where: told for where, told in lost.items() if told} == {}


@pytest.mark.parametrize("said", ["plugins lst", "train --oops 1", "data check DIR --was x"])
def test_what_is_not_there_is_found(said):
    assert fault(said)


def test_options_that_are_named_alone_are_there():
    known, lost = all_options() | PIPS | TORCHRUNS | DOCKERS, []
    for path in SOURCES:
        if path.name in CALL_PIP or {"pretraining", "examples"} & set(path.parts):
            continue  # programs of their own
        for text in texts(path):
            named = re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text)
            lost += [(path.name, option) for option in named if option not in known]
    assert lost == []
