"""Files of the model hub, in the cache of its library: found there, and left there for others."""

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download, hf_hub_download

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import State, hub_files

BIG = bytes(range(256)) * 4000
NAME, PATH = "someone/base", "unet/net.bin"


def test_a_file_is_fetched_once_into_the_hubs_cache(published, hub, toolkit_home):
    file = published()
    path = weights.fetch(file)
    assert path.read_bytes() == BIG
    assert path.is_relative_to(constants.HF_HUB_CACHE)
    assert path.suffix == ".bin"
    assert weights.fetch(file) == path == weights.path_of(file)
    assert weights.check(file) is State.cached
    assert hub.downloads() == [None]
    assert not (toolkit_home / "weights").exists()


def test_what_another_program_fetched_is_not_fetched_again(published, hub):
    file = published()
    theirs = hf_hub_download(NAME, PATH)
    hub.requests.clear()
    assert weights.fetch(file) == Path(theirs)
    assert hub.requests == []


def test_another_program_finds_what_was_fetched(published, hub, monkeypatch):
    path = weights.fetch(published())
    assert Path(hf_hub_download(NAME, PATH)) == path
    assert Path(hf_hub_download(NAME, PATH, local_files_only=True)) == path
    assert len(hub.downloads()) == 1


def test_another_repository_with_the_same_file_counts(published, hub):
    hub.put("closed/original", {PATH: BIG})
    theirs = hf_hub_download("closed/original", PATH)
    file = published()
    hub.put(NAME, {})
    assert weights.fetch(file) == Path(theirs)


def test_a_file_of_another_version_does_not_count(published, hub):
    hub.put("closed/original", {PATH: b"an older version"})
    hf_hub_download("closed/original", PATH)
    file = published()
    assert weights.check(file) is State.missing
    assert weights.fetch(file).read_bytes() == BIG


def test_a_cache_without_links_counts(published, hub, monkeypatch):
    monkeypatch.setattr(file_download, "are_symlinks_supported", lambda _=None: False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    file = published()
    path = weights.fetch(file)
    assert not path.is_symlink()
    hub.requests.clear()
    assert weights.fetch(file) == path
    assert hub.requests == []


def test_an_earlier_copy_of_ours_counts(published, hub, toolkit_home):
    file = published()
    (toolkit_home / "weights").mkdir(parents=True)
    ours = toolkit_home / "weights" / file.name
    ours.write_bytes(BIG)
    assert weights.fetch(file) == ours
    assert hub.requests == []


def test_a_damaged_copy_of_ours_gives_way_to_the_hubs(published, hub, toolkit_home, caplog):
    file = published()
    path = weights.fetch(file)
    (toolkit_home / "weights").mkdir(parents=True)
    (toolkit_home / "weights" / file.name).write_bytes(BIG[:-1])
    assert weights.fetch(file) == path
    assert "was damaged" in caplog.text
    assert len(hub.downloads()) == 1


def test_two_damaged_copies_are_both_told(published, hub, toolkit_home):
    file = published()
    blob = weights.fetch(file).resolve()
    (toolkit_home / "weights").mkdir(parents=True)
    for copy in (toolkit_home / "weights" / file.name, blob):
        copy.write_bytes(BIG[:-1])
    with pytest.raises(WeightsError, match=f"delete {blob}") as told:
        weights.fetch(file)
    assert "its copy in the cache was damaged" in str(told.value)


def test_a_blob_with_other_content_is_named(published, hub):
    file = published()
    path = weights.fetch(file)
    blob = path.resolve()
    blob.write_bytes(BIG[:-1] + b"!")
    hub.requests.clear()
    assert weights.check(file) is State.damaged
    with pytest.raises(WeightsError, match="does not have its SHA-256") as told:
        weights.fetch(file)
    assert str(path) in str(told.value)
    assert f"delete {blob}" in str(told.value)
    assert hub.requests == []
    assert blob.exists()  # others' files are not ours to delete
    blob.unlink()  # as advised
    assert weights.fetch(file).read_bytes() == BIG


def test_a_restricted_file_asks_for_its_licence_though_others_fetched_it(published, hub):
    file = published(licence="S-Lab-1.0", restricted="commercial use")
    theirs = hf_hub_download(NAME, PATH)
    with pytest.raises(WeightsError, match="its licence forbids commercial use"):
        weights.fetch(file)
    weights.accept(["S-Lab-1.0"], [file])
    assert weights.fetch(file) == Path(theirs)


def test_the_folder_of_a_blob_in_a_shared_store_is_its_own(tmp_path):
    store, blob = (
        tmp_path / "store" / "other-hash",
        tmp_path / "repo" / "blobs" / hashlib.sha256(b"x").hexdigest(),
    )
    pointer = tmp_path / "repo" / "snapshots" / "c" / "net.bin"
    for each in (store, blob, pointer):
        each.parent.mkdir(parents=True)
    store.write_bytes(b"x")
    blob.symlink_to(store)
    pointer.symlink_to(Path("../../blobs") / blob.name)
    assert hub_files.blob(pointer) == blob
