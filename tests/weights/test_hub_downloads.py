"""Downloads from the model hub: checked, resumed, told, and safe from kills and full disks."""

import errno
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
from hub_server import address
from huggingface_hub import constants, file_download

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import State, network

BIG = bytes(range(256)) * 4000
NAME, PATH = "someone/base", "unet/net.bin"


def hub_url(name=NAME, path=PATH, revision="main"):
    return address(name, path, revision)


def blobs():
    return sorted(path.name for path in Path(constants.HF_HUB_CACHE).glob("*/blobs/*"))


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
