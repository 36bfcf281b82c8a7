"""`toolkit weights`: lists, fetches and verifies, as text and as JSON."""

import hashlib
import os
import re
import subprocess
import sys

import pytest

from toolkit import discovery, weights
from toolkit.component import Component
from toolkit.files import write_atomically
from toolkit.registry import Registry
from toolkit.weights import Mirrors, PackageMember, WeightFile

FIRST, SECOND = b"first weights" * 9, b"second weights" * 9


def described(name, data, *sources, **fields):
    pinned = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "licence": "MIT"}
    return WeightFile(name=name, sources=sources, **pinned | fields)


PACKAGE = PackageMember(package="package==1.0", sha256="0" * 64, member="first.bin")
WEB = Mirrors(urls=("https://one.example/second.bin", "https://two.example/second.bin"))
ONE = described("first.bin", FIRST, PACKAGE)
TWO = described("second.bin", SECOND, WEB)


def component(kind, name, **fields):
    return Component(kind=kind, name=name, summary="", build=dict, **fields)


@pytest.fixture(autouse=True)
def known(monkeypatch, toolkit_home):
    """A registry of a few components, and an empty cache."""
    registry = Registry()
    registry.add("plugin", [
        component("loss", "near", weights=(ONE,)),
        component("metric", "near", uses=("loss/near", "loss/absent")),
        component("metric", "far", weights=(TWO,), uses=("metric/near", "metric/far")),
        component("loss", "plain"),
    ])  # fmt: skip
    monkeypatch.setattr(discovery, "installed", lambda: registry)
    return registry


@pytest.fixture
def brought(tmp_path):
    """A folder with both files, under other names."""
    (tmp_path / "brought").mkdir()
    for name, data in {"a": FIRST, "b": SECOND}.items():
        (tmp_path / "brought" / name).write_bytes(data)
    return tmp_path / "brought"


def states(result):
    return {each["name"]: each["state"] for each in result.document["files"]}


def test_what_a_component_uses_needs_its_files_too(known):
    needed = {f"{each.kind}/{each.name}": known.weights(each) for each in known.components()}
    assert needed == {
        "loss/near": (ONE,), "loss/plain": (), "metric/near": (ONE,), "metric/far": (TWO, ONE),
    }  # fmt: skip


def test_the_list_is_one_json_document(cli, toolkit_home):
    listed = cli("weights", "list", "--format", "json").document
    assert listed["folder"] == str(toolkit_home / "weights")
    first, second = listed["files"]
    assert first["needed_by"] == ["loss/near", "metric/far", "metric/near"]
    assert first["sha256"] == ONE.sha256
    assert first["sources"][0]["package"] == "package==1.0"
    assert second["needed_by"] == ["metric/far"]
    assert second["sources"] == [{"urls": list(WEB.urls)}]
    assert {first["state"], second["state"]} == {"missing"}


def test_the_state_is_told_by_size(cli):
    write_atomically(weights.path_of(ONE), FIRST)
    write_atomically(weights.path_of(TWO), SECOND[1:])
    listed = cli("weights", "list", "--format", "json")
    assert states(listed) == {"first.bin": "cached", "second.bin": "damaged (size)"}


def test_the_list_can_be_read(cli):
    out = cli("weights", "list").out
    for told in ("first.bin", ONE.sha256[:12], "package==1.0", "metric/near", "missing",
                 "one.example, then two.example"):  # fmt: skip
        assert told in out
    assert ONE.sha256 not in out


def test_digits_that_are_not_all_are_told_as_such(cli, known):
    short = described("short.bin", b"short", sha256=hashlib.sha256(b"short").hexdigest()[:8])
    known.add("other", [component("metric", "short", weights=(short,))])
    assert f"{short.sha256} (these digits only)" in cli("weights", "list").out
    files = cli("weights", "list", "--format", "json").document["files"]
    assert [file["sha256_is_whole"] for file in files] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "fetched"),
    [
        ("first.bin", {"first.bin"}),
        ("near", {"first.bin"}),
        ("metric/near", {"first.bin"}),
        ("metric/far", {"first.bin", "second.bin"}),
        ("plain", set()),
    ],
)
def test_files_are_fetched_by_their_name_or_a_components(cli, brought, name, fetched):
    result = cli("weights", "fetch", name, "--from", brought)
    assert result.code == 0, result.err
    assert set(result.out.split()) == {str(weights.home() / "weights" / each) for each in fetched}
    found = {each.name for each in (ONE, TWO) if weights.check(each) is weights.State.cached}
    assert found == fetched


def test_without_a_name_all_that_is_there_is_taken(cli, brought):
    (brought / "b").unlink()
    result = cli("weights", "fetch", "--from", brought)
    assert (result.code, result.out.split()) == (0, [str(weights.path_of(ONE))])


def test_large_files_are_fetched_when_they_are_named_or_brought(cli, known, brought, monkeypatch):
    large = described("large.bin", b"large" * 50, WEB, by_name=True)
    (brought / "c").write_bytes(b"large" * 50)
    known.add("another", [component("backbone", "big", weights=(large,))])
    asked = []
    monkeypatch.setattr(weights, "fetch_all", lambda files, **_: asked.append(files) or [])
    cli("weights", "fetch")
    cli("weights", "fetch", "big")
    assert asked == [[ONE, TWO], [large]]
    assert "toolkit weights fetch large.bin" in cli("weights", "list").out
    assert "large.bin" in cli("weights", "fetch", "--from", brought).out


def test_what_was_named_and_is_not_there_is_told(mistake, brought):
    (brought / "b").unlink()
    told = mistake("weights", "fetch", "far", "--from", brought, code=1)
    assert "second.bin" in told
    assert TWO.sha256 in told
    assert weights.check(ONE) is weights.State.cached


def test_a_folder_with_none_of_them_is_told(mistake, tmp_path):
    (tmp_path / "none").mkdir()
    assert "first.bin" in mistake("weights", "fetch", "--from", tmp_path / "none", code=1)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nera", "Did you mean 'near'?"),
        ("first.bim", "Did you mean 'first.bin'?"),
        ("metric/fra", "Did you mean 'metric/far'?"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(mistake, name, told):
    assert told in mistake("weights", "fetch", name)


def test_one_that_fails_does_not_stop_the_others(cli, mistake, known, tmp_path, monkeypatch):
    for name, value in {"NO_INDEX": "1", "CONFIG_FILE": os.devnull, "FIND_LINKS": tmp_path}.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    write_atomically(weights.path_of(TWO), SECOND)
    bad = described("bad.bin", b"bad", Mirrors(urls=("ftp://one.example/bad",)))
    known.add("other", [component("metric", "bad", weights=(bad,))])
    told = mistake("weights", "fetch", code=1)
    for part in (
        "first.bin (0 kB, MIT)",
        "bad.bin (0 kB, MIT)",
        "--from FOLDER",
        "No matching distribution",
    ):
        assert part in told
    assert "second.bin" not in told
    assert cli("weights", "fetch", "second.bin").code == 0


def test_verify_tells_each_file_and_the_command_for_damaged_ones(cli):
    write_atomically(weights.path_of(ONE), FIRST[:-1] + b"!")
    result = cli("weights", "verify", "--format", "json")
    assert (result.code, states(result)) == (1, {"first.bin": "damaged", "second.bin": "missing"})
    assert "toolkit weights fetch first.bin" in result.err
    assert "damaged  first.bin" in cli("weights", "verify").out


def test_what_is_advised_fetches(cli, mistake, brought, monkeypatch):
    for name, value in {"NO_INDEX": "1", "CONFIG_FILE": os.devnull, "FIND_LINKS": "."}.items():
        monkeypatch.setenv(f"PIP_{name}", value)

    def follow(told, place="", by=""):
        [words] = re.findall(r"toolkit (weights [^\n│]*)", told)
        return cli(*(by if word == place else word for word in words.split()))

    assert "second.bin" in follow(mistake("weights", "fetch", "nera")).out
    (brought / "none").mkdir()
    none = "weights", "fetch", "far", "--from", brought / "none"
    assert "second.bin" in follow(mistake(*none, code=1)).out
    fetched = follow(mistake("weights", "fetch", "loss/near", code=1), "FILE", brought / "a")
    assert (fetched.code, weights.check(ONE)) == (0, weights.State.cached)
    weights.path_of(ONE).write_bytes(FIRST[:-1] + b"!")
    damaged = cli("weights", "verify").err
    lost = follow(damaged)  # its package cannot be reached: then by hand, as that says
    assert lost.code == 1
    assert follow(lost.err, "FILE", brought / "a").code == 0
    assert cli("weights", "verify").code == 0


def test_verify_takes_missing_files_for_no_error(cli):
    write_atomically(weights.path_of(ONE), FIRST)
    result = cli("weights", "verify")
    assert (result.code, result.err) == (0, "")
    assert "ok       first.bin" in result.out
    assert "missing  second.bin" in result.out


@pytest.mark.parametrize("command", ["list", "verify"])
def test_it_loads_nothing_heavy(command):
    code = (
        "import sys\nfrom toolkit.cli import main\n"
        f"sys.argv = ['toolkit', 'weights', '{command}']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'cv2', 'diffusers'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_licence_is_accepted_on_the_command_line(cli, mistake, known, brought):
    file = described("third.bin", FIRST, licence="S-Lab-1.0", restricted="commercial use")
    known.add("other", [component("metric", "third", weights=(file,))])
    assert "--accept-licence S-Lab-1.0" in mistake("weights", "fetch", "third.bin", code=1)
    assert cli("weights", "fetch", "--from", brought).code == 0
    assert states(cli("weights", "list", "--format", "json"))["third.bin"] == "missing"
    assert "Did you mean" in mistake("weights", "fetch", "--accept-licence", "S-Lab-1", code=2)
    accepting = ["--accept-licence", "S-Lab-1.0", "--from", brought]
    assert cli("weights", "fetch", "third.bin", *accepting).code == 0
    assert states(cli("weights", "list", "--format", "json"))["third.bin"] == "cached"
    assert "--accept-licence S-Lab-1.0" in cli("weights", "list").out


def test_a_file_without_sha256_is_listed_with_its_page(cli, mistake, known, brought):
    file = described("third.bin", FIRST, sha256="", page="https://one.example/third")
    known.add("other", [component("metric", "third", weights=(file,))])
    listed = cli("weights", "list").out
    assert "no SHA-256" in listed
    assert "your own copy of https://one.example/third" in listed
    assert "toolkit weights fetch third.bin --from FILE" in listed
    told = mistake("weights", "fetch", "third.bin", "--from", brought, code=1)
    assert "third.bin, as third.bin" in told
    assert cli("weights", "fetch", "third.bin", "--from", brought / "a").code == 0
    assert states(cli("weights", "verify", "--format", "json"))["third.bin"] == "ok"


def test_a_file_in_the_hubs_cache_is_shown_where_it_is(cli, known, model_hub):
    url = "https://huggingface.co/me/base/resolve/main/unet/net.bin"
    file = described("net.bin", SECOND, Mirrors(urls=(url,)))
    known.add("other", [component("metric", "third", weights=(file,))])
    model_hub.put("me/base", {"unet/net.bin": SECOND})
    fetched = cli("weights", "fetch", "net.bin")
    assert fetched.code == 0, fetched.err
    path = fetched.out.strip()
    listed = cli("weights", "list", "--format", "json").document
    assert path.startswith(listed["hub_folder"])
    assert {each["name"]: each["path"] for each in listed["files"]}["net.bin"] == path
    assert f"    at    {path}\n" in cli("weights", "list").out
    assert f"ok       net.bin  {path}\n" in cli("weights", "verify").out
    blob = weights.hub_files.blob(weights.path_of(file))
    blob.write_bytes(FIRST)
    verified = cli("weights", "verify")
    assert (verified.code, f"damaged  net.bin  {path}\n" in verified.out) == (1, True)
    [words] = re.findall(r"toolkit (weights fetch .*)", verified.err)
    told = cli(*words.split()).err
    assert f"delete {blob}" in told
    blob.unlink()
    assert cli(*words.split()).code == 0
    assert cli("weights", "verify").code == 0
