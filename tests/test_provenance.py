"""Which code made a result: digests of distributions, and what changes them."""

import subprocess
import sys
from importlib.metadata import distribution

import pytest

from toolkit import provenance as module
from toolkit.discovery import installed
from toolkit.errors import UnknownComponentError
from toolkit.provenance import CORE, Made, changed, provenance, supplier_of
from toolkit.specs import Selection


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module of one's own, whose source may be rewritten; gives its digest."""
    (tmp_path / "tried").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest(name="__init__.py", content=None):
        if content is not None:
            (tmp_path / "tried" / name).write_bytes(content)
        return [(label, module._effect(path)) for label, path in module._files("tried")]

    digest(content=b'"""A docstring."""\n\ndef f(x):\n    return x + 1\n')
    return digest


@pytest.mark.parametrize(
    "source",
    [
        b"def f(x):\n    return x + 1\n",
        b'"""Another."""\n\n\ndef f(x):  # a comment\n    """And one here."""\n    return x+1\n',
    ],
)
def test_words_are_no_code(package, source):
    assert package() == package(content=source)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("__init__.py", b'"""A docstring."""\n\ndef f(x):\n    return x + 2\n'),
        ("__init__.py", b"def f(x):\n    return x +\n"),
        ("other.py", b"y = 1\n"),
        ("data.toml", b"y = 1\n"),
    ],
)
def test_code_and_data_are(package, name, content):
    assert package() != package(name, content)


def test_a_recipe_names_all_that_takes_part():
    parts = [("discriminator", Selection(use="nad:sdxl")), ("metric", Selection(use="lpips"))]
    made = provenance(installed(), parts)
    supplied = {name: each.supplies for name, each in made.items()}
    assert supplied["restoration-toolkit-backbones"] == ("backbone/sdxl",)
    assert supplied["restoration-toolkit-discriminators"] == ("discriminator/nad",)
    assert supplied["restoration-toolkit-metrics"] == ("metric/lpips",)
    assert "loss/lpips" in supplied["restoration-toolkit-losses"]  # which the metric uses
    assert supplied[CORE] == ()
    assert all(len(each.code) == 16 for each in made.values())
    assert made[CORE].version == distribution(CORE).version
    with pytest.raises(UnknownComponentError) as told:
        provenance(installed(), [("loss", Selection(use="gone"))])
    assert (told.value.kind, told.value.name) == ("loss", "gone")


def test_what_changed_is_told():
    before = {"a": Made(version="1", code="x"), "b": Made(version="1", code="x"), "c": Made()}
    now = {"a": Made(version="1", code="y"), "b": Made(version="2", code="z"), "d": Made()}
    assert changed(before, now) == ["a (its code)", "b (1 to 2)"]
    assert changed({}, now) == []


def test_the_supplier_of_then_is_known():
    before = {"my-plugin": Made(version="1.2", code="x", supplies=("loss/mine",))}
    assert supplier_of(before, "loss", "mine") == "my-plugin==1.2"
    assert supplier_of(before, "loss", "other") == ""


def test_a_digest_needs_no_network_library():
    code = (
        "import sys\nfrom toolkit.discovery import installed\nfrom toolkit.specs import Selection\n"
        "from toolkit.provenance import provenance\n"
        "provenance(installed(), [('metric', Selection(use='psnr-y'))])\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
