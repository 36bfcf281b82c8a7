"""Files whose licence restricts use, and files of which nobody publishes a SHA-256."""

import re

import pytest

from toolkit import weights
from toolkit.errors import UsageError, WeightsError
from toolkit.weights import State, cache, consent

LICENCE = "S-Lab-1.0"


@pytest.fixture
def brought(tmp_path, toolkit_home, data):
    (tmp_path / "brought" / "unet").mkdir(parents=True)
    (tmp_path / "brought" / "unet" / "net.bin").write_bytes(data)
    return tmp_path / "brought"


@pytest.fixture
def restricted(weight_file):
    return weight_file(licence=LICENCE, restricted="commercial use", page="https://one.example")


@pytest.fixture
def unpinned(weight_file):
    return weight_file(sha256="", paths=("unet/net.bin",), page="https://one.example/net")


def test_a_restricted_file_asks_for_its_licence_once(brought, restricted):
    told = re.escape(f"net.bin (0 kB, {LICENCE}) is not cached, and its licence forbids commercial")
    for fetch in (weights.fetch, lambda file: weights.supply(brought, [file])):
        with pytest.raises(WeightsError, match=told) as error:
            fetch(restricted)
        assert "see https://one.example" in str(error.value)
        command = f"toolkit weights fetch net.bin --accept-licence {LICENCE} --from FILE"
        assert command in error.value.hint
    weights.accept([LICENCE], [restricted])
    weights.accept([], [restricted])
    assert consent.accepted() == {LICENCE}
    assert weights.supply(brought, [restricted]) == [restricted]
    assert weights.fetch(restricted).read_bytes()


def test_a_licence_that_no_file_asks_for(restricted, weight_file):
    with pytest.raises(UsageError, match=r"Did you mean 'S-Lab-1\.0'") as error:
        weights.accept(["S-Lab-1"], [restricted, weight_file()])
    assert error.value.hint == f"Licences to accept: {LICENCE}"


def test_an_unpinned_file_is_not_downloaded(unpinned, member_of, archive, toolkit_home):
    with pytest.raises(WeightsError, match="nobody but its authors publishes") as error:
        weights.fetch(unpinned)
    assert "net.bin (0 kB, MIT)" in str(error.value)
    assert "get net.bin at https://one.example/net" in error.value.hint
    assert "toolkit weights fetch net.bin --from FILE" in error.value.hint


def test_an_unpinned_file_is_recognised_by_its_path(brought, unpinned, weight_file):
    other = weight_file(sha256="", name="other", paths=("controlnet/net.bin",))
    assert weights.supply(brought, [other, unpinned]) == [unpinned]
    assert weights.check(unpinned) is State.cached
    assert weights.fetch(unpinned).read_bytes() == (brought / "unet/net.bin").read_bytes()


def test_an_unpinned_file_is_recognised_by_its_name(brought, unpinned):
    (brought / "unet" / "net.bin").rename(brought / "net.bin")
    assert weights.supply(brought, [unpinned]) == [unpinned]


def test_a_single_file_is_taken_for_the_one_that_is_named(brought, unpinned):
    file = (brought / "unet/net.bin").rename(brought / "download(1)")
    assert weights.supply(file, [unpinned]) == [unpinned]
    file.write_bytes(b"a new version")
    assert weights.supply(file, [unpinned]) == [unpinned]
    assert weights.fetch(unpinned).read_bytes() == b"a new version"


def test_an_unpinned_file_keeps_the_content_that_was_supplied(brought, unpinned):
    weights.supply(brought, [unpinned])
    weights.path_of(unpinned).write_bytes(b"changed")
    assert weights.check(unpinned) is State.damaged
    with pytest.raises(WeightsError, match="was damaged"):
        weights.fetch(unpinned)


def test_a_file_without_record_does_not_count(unpinned, brought, data):
    weights.supply(brought, [unpinned])
    cache.recorded(unpinned).unlink()
    assert weights.check(unpinned) is State.missing
