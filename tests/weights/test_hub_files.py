"""Files of the model hub: in the cache of its library, shared with other programs."""

import errno
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download, hf_hub_download

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import Mirrors, State, hub_files, network

BIG = bytes(range(256)) * 4000
NAME, PATH = "someone/base", "unet/net.bin"


def hub_url(name=NAME, path=PATH, revision="main"):
    return f"https://huggingface.co/{name}/resolve/{revision}/{path}"


@pytest.fixture
def hub(model_hub, toolkit_home, monkeypatch):
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)  # between attempts
    return model_hub


@pytest.fixture
def published(hub, weight_file):
    """Describes a file of the hub, and puts it there."""

    def make(content=BIG, urls=None, **fields):
        hub.put(NAME, {PATH: content})
        return weight_file(Mirrors(urls=urls or (hub_url(),)), content=content, **fields)

    return make


def blobs():
    return sorted(path.name for path in Path(constants.HF_HUB_CACHE).glob("*/blobs/*"))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


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


def test_a_repository_that_changed_is_not_downloaded(published, hub):
    file = published()
    hub.put(NAME, {PATH: BIG[:-1] + b"!"})
    with pytest.raises(WeightsError, match="has other content: SHA-256"):
        weights.fetch(file)
    hub.put(NAME, {PATH: BIG[:9]})
    with pytest.raises(WeightsError, match=f"has 9 bytes, not {len(BIG)}"):
        weights.fetch(file)
    assert hub.downloads() == []


def test_what_arrives_otherwise_than_stated_is_not_left_in_the_cache(published, hub):
    file = published()
    hub.served[PATH] = BIG[:-1] + b"!"
    with pytest.raises(WeightsError, match="has other content"):
        weights.fetch(file)
    assert blobs() == []
    hub.served.clear()
    assert weights.fetch(file).read_bytes() == BIG


def test_the_next_repository_is_asked(published, hub, web):
    urls = [hub_url("gone/base"), hub_url("private/base"), hub_url("gated/base"),
            hub_url(path="absent.bin"), hub_url(revision="two"), hub_url()]  # fmt: skip
    file = published(urls=tuple(urls))
    hub.put("private/base", {PATH: BIG}, private=True)
    hub.put("gated/base", {PATH: BIG})
    hub.refuse["gated/base"] = (403, "GatedRepo")
    assert weights.fetch(file).read_bytes() == BIG


def test_when_all_fail_each_is_told(published, hub, web, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    gated, absent = hub_url("gated/base"), hub_url(path="absent.bin")
    file = published(urls=(gated, hub_url("gone/base"), absent, web.url("absent.bin")))
    hub.put("gated/base", {PATH: BIG})
    hub.refuse["gated/base"] = (403, "GatedRepo")
    with pytest.raises(WeightsError) as told:
        weights.fetch(file)
    for reason in ("gated/base on the hub asks you to accept its terms", "hf auth login",
                   f"{hub.url}/gone/base/resolve/main/unet/net.bin answers 401",
                   f"{hub.url}/{NAME}/resolve/main/absent.bin answers 404",
                   f"{web.url('absent.bin')} answers 404"):  # fmt: skip
        assert reason in str(told.value)
    assert f"curl -Lo net.bin {gated}" in told.value.hint


def test_a_file_of_the_web_follows_one_of_the_hub(published, hub, web, toolkit_home, weight_file):
    web.files["net.bin"] = BIG
    file = published(urls=(hub_url("gone/base"), web.url("net.bin")))
    assert weights.fetch(file) == toolkit_home / "weights" / file.name


def test_a_cut_download_goes_on_where_it_stopped(published, hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cuts = [300_000, 1000]
    assert weights.fetch(published()).read_bytes() == BIG
    assert hub.downloads() == [None, "bytes=300000-", "bytes=301000-"]


def test_progress_is_told(published, hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.cuts, told = [300_000], []
    weights.fetch_all([published()], progress=lambda *step: told.append(step))
    assert told[-1] == ("net.bin", len(BIG), len(BIG))
    assert len(told) > 5
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_long_silence_is_told_with_the_way_by_hand(published, hub, monkeypatch, caplog):
    monkeypatch.setattr(network, "SECONDS", 0.2)
    asked = huggingface_hub.hf_hub_download

    def slowly(*given, **options):
        threading.Event().wait(0.6)
        return asked(*given, **options)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", slowly)
    with caplog.at_level(logging.WARNING):
        weights.fetch(published())
    [line] = [each.getMessage() for each in caplog.records if each.name.startswith("toolkit")]
    assert "toolkit weights fetch net.bin --from FILE" in line


def test_offline_is_told_and_nothing_is_asked(published, hub, monkeypatch):
    file = published()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set") as told:
        weights.fetch(file)
    assert f"curl -Lo net.bin {hub_url()}" in told.value.hint
    assert hub.requests == []


def test_a_hub_out_of_reach_is_told_in_seconds(published, hub, monkeypatch, dead_url, within):
    file = published()
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", dead_url + "/{repo_id}")
    with within(2), pytest.raises(WeightsError, match="cannot be reached: Connection refused"):
        weights.fetch(file)


@pytest.mark.parametrize("endpoint", ["http://mirror.example", "ftp://mirror.example"])
def test_an_endpoint_must_be_https(published, hub, monkeypatch, endpoint):
    file = published()
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(WeightsError, match="is not an HTTPS address"):
        weights.fetch(file)


def test_a_space_is_a_place_of_its_own(published, hub):
    file = published(urls=(hub_url(f"spaces/{NAME}"),))
    hub.put(NAME, {})
    hub.put(NAME, {PATH: BIG}, kind="space")
    assert "spaces--someone--base" in str(weights.fetch(file))


def test_too_little_space_is_told_before_a_download(published, hub, monkeypatch):
    file = published()
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(WeightsError, match="No space left") as told:
        weights.fetch(file)
    assert constants.HF_HUB_CACHE in str(told.value)
    assert "HF_HOME=/another/folder" in told.value.hint
    assert hub.downloads() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_told(published, hub, monkeypatch, number):
    def fail(source, _destination):
        raise OSError(number, os.strerror(number), str(source))

    monkeypatch.setattr(file_download, "_chmod_and_move", fail)
    with pytest.raises(WeightsError, match=os.strerror(number)) as told:
        weights.fetch(published())
    assert constants.HF_HUB_CACHE in str(told.value)
    assert blobs() == []


def test_several_at_once_fetch_a_file_once(published, hub):
    file = published()
    threads = [threading.Thread(target=weights.fetch, args=(file,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert weights.check(file) is State.cached
    assert len(hub.downloads()) == 1


def test_a_restricted_file_asks_for_its_licence_though_others_fetched_it(published, hub):
    file = published(licence="S-Lab-1.0", restricted="commercial use")
    theirs = hf_hub_download(NAME, PATH)
    with pytest.raises(WeightsError, match="its licence forbids commercial use"):
        weights.fetch(file)
    weights.accept(["S-Lab-1.0"], [file])
    assert weights.fetch(file) == Path(theirs)


FETCH = """
import sys
from toolkit import weights
from toolkit.weights import Mirrors, WeightFile
name, sha256, size, url = sys.argv[1:]
source = Mirrors(urls=(url,))
weights.fetch(WeightFile(name=name, sha256=sha256, size=int(size), licence="", sources=(source,)))
"""


def start(file):
    given = [file.name, file.sha256, str(file.size), hub_url()]
    return subprocess.Popen([sys.executable, "-c", FETCH, *given], env=os.environ)


def test_a_killed_download_leaves_nothing_that_looks_whole(published, hub):
    file = published()
    hub.cuts = [500_000]
    hub.stall.clear()
    with start(file) as process:
        for _ in range(3000):
            if hub.downloads():
                break
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert weights.check(file) is State.missing
    hub.stall.set()
    assert weights.fetch(file).read_bytes() == BIG


def test_several_processes_fetch_a_file_once(published, hub):
    file = published()
    processes = [start(file) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(hub.downloads()) == 1


def test_the_folder_of_a_blob_in_a_shared_store_is_its_own(tmp_path):
    store, blob = tmp_path / "store" / "other-hash", tmp_path / "repo" / "blobs" / sha256(b"x")
    pointer = tmp_path / "repo" / "snapshots" / "c" / "net.bin"
    for each in (store, blob, pointer):
        each.parent.mkdir(parents=True)
    store.write_bytes(b"x")
    blob.symlink_to(store)
    pointer.symlink_to(Path("../../blobs") / blob.name)
    assert hub_files.blob(pointer) == blob
