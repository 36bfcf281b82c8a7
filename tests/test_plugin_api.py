"""The public API for plugins changes only with a change of the committed record beside this file.

After an intended change: `python tests/test_plugin_api.py`, and raise `PLUGIN_API` where a plugin
that fitted before no longer does.
"""

import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args

import pytest

from toolkit import plugin

RECORD = Path(__file__).with_name("plugin_api.txt")


def described():
    """A line for each exported name, and one for each public member of a class."""
    lines = [f"PLUGIN_API = {plugin.PLUGIN_API}"]
    for name in sorted(set(plugin.__all__) - {"PLUGIN_API"}):
        value = getattr(plugin, name)
        if name == "Kind":
            lines.append(f"Kind = {', '.join(get_args(value))}")
        elif inspect.isclass(value):
            lines += [f"class {name}", *(f"    {line}" for line in members(value))]
        else:
            lines.append(f"{name}{signature(value)}")
    return "\n".join(lines) + "\n"


def members(kind):
    """The public members that the toolkit itself gives a class."""
    if is_dataclass(kind):
        for field in fields(kind):
            yield f"{field.name}: {field.type}"
    own = [base for base in kind.__mro__ if base.__module__.partition(".")[0] == "toolkit"]
    found = {}
    for base in reversed(own):
        found |= vars(base)
    for name, value in sorted(found.items()):
        if isinstance(value, property):
            yield f"{name} -> {inspect.signature(value.fget).return_annotation}"
        elif name == "__init__" and (is_dataclass(kind) or getattr(kind, "_is_protocol", False)):
            continue  # its fields are listed; a protocol is not made
        elif inspect.isfunction(value) and (name in SPECIAL or not name.startswith("_")):
            yield f"{name}{signature(value)}"
    if issubclass(kind, tuple):
        yield from kind._fields


SPECIAL = ("__init__", "__call__", "__len__", "__getitem__")


def signature(value):
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""


def test_the_api_is_the_recorded_one():
    assert described() == RECORD.read_text(encoding="utf-8")


def test_every_name_is_there_and_loads_nothing_heavy_before_it_is_asked_for():
    code = (
        "import sys\n"
        "from toolkit import plugin\n"
        "print([name for name in ('torch', 'cv2', 'diffusers') if name in sys.modules])\n"
        "print(all(hasattr(plugin, name) for name in plugin.__all__))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "True"]
    with pytest.raises(AttributeError, match="has no attribute 'Lozz'"):
        _ = plugin.Lozz


def test_a_name_that_will_be_removed_warns_and_works(monkeypatch):
    monkeypatch.setitem(plugin._DEPRECATED, "Loss", "PerceptualLoss")
    with pytest.warns(DeprecationWarning, match=r"plugin\.Loss will be removed; use .*Perceptual"):
        assert plugin.Loss is plugin.PerceptualLoss


if __name__ == "__main__":
    RECORD.write_text(described(), encoding="utf-8")
