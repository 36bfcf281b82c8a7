"""Completion in a shell: it is on, knows the installed components, and loads nothing heavy."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "cv2", "diffusers", "PIL", "gradio")
COMPLETE = f"""
import json, sys
from toolkit.cli import main
try:
    main()
except SystemExit:
    pass
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def completed(words):
    """What bash offers for the last of some words, and which heavy libraries were loaded for it."""
    environment = {
        **os.environ,
        "_TOOLKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    run = [sys.executable, "-c", COMPLETE]
    ended = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    *offered, loaded = ended.stdout.splitlines()
    assert ended.stderr == ""
    return [each for each in offered if each], json.loads(loaded)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("toolkit restore photo.jpg --with poc", ["pocket"]),
        ("toolkit train --disc na", ["nad"]),
        ("toolkit train --loss ea-", ["ea-dists", "ea-lpips"]),
        ("toolkit restore --with ./runs/", []),  # the shell offers files
    ],
)
def test_names_of_components_are_offered_without_heavy_libraries(words, offered):
    assert completed(words) == (offered, [])


def test_a_shell_without_completion_can_be_given_it(cli):
    result = cli("--show-completion", "bash")
    assert (result.code, result.err) == (0, "")
    assert "complete -o default -F _toolkit_completion toolkit" in result.out


def test_the_help_has_one_line_more_for_it(cli):
    help_text = cli("--help").out
    assert "--install-completion" in help_text
    assert "--show-completion" not in help_text
