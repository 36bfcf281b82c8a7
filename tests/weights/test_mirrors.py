"""Files of the web: resumed, checked, from whichever address answers."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import mirrors, network

FILE = "me/mine/resolve/main/unet/net.bin"
BIG = bytes(range(256)) * 4000


def folder_of(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_a_file_is_fetched_once(mirrored, web, data):
    web.files["net.bin"] = data
    file = mirrored("net.bin")
    path = weights.fetch(file)
    assert path.read_bytes() == data
    assert weights.fetch(file) == path
    assert web.requests == [("net.bin", None)]
    assert folder_of(path) == ["net.bin"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_cut_download_goes_on_where_it_stopped(mirrored, web):
    web.files["net.bin"], web.cuts = BIG, [300_000, 1000]
    path = weights.fetch(mirrored("net.bin", content=BIG))
    assert path.read_bytes() == BIG
    assert [asked for _, asked in web.requests] == [None, "bytes=300000-", "bytes=301000-"]


def test_a_server_without_ranges_is_asked_for_all(mirrored, web):
    web.files["net.bin"], web.cuts, web.ranges = BIG, [300_000], False
    assert weights.fetch(mirrored("net.bin", content=BIG)).read_bytes() == BIG


def test_a_partial_file_of_other_content_does_no_harm(mirrored, web, toolkit_home):
    web.files["net.bin"] = BIG
    part = toolkit_home / "weights" / "net.bin.part"
    part.parent.mkdir(parents=True)
    for length in (10, len(BIG), len(BIG) + 10):
        part.write_bytes(b"x" * length)
        path = weights.fetch(mirrored("net.bin", content=BIG))
        assert path.read_bytes() == BIG
        path.unlink()


def test_a_whole_partial_file_needs_no_server(mirrored, web, toolkit_home, data):
    part = toolkit_home / "weights" / "net.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(data)
    assert folder_of(weights.fetch(mirrored("net.bin"))) == ["net.bin"]
    assert web.requests == []


def test_where_one_address_fails_the_next_is_asked(mirrored, web, dead_url, data):
    web.files |= {"good.bin": data, "wrong.bin": data[:-1] + b"!", "short.bin": data[:9]}
    file = mirrored(dead_url, "absent.bin", "wrong.bin", "short.bin", "good.bin")
    assert weights.fetch(file).read_bytes() == data


def test_when_all_fail_each_is_told(mirrored, web, dead_url, data, toolkit_home):
    web.files |= {"wrong.bin": data[:-1] + b"!", "long.bin": data * 2}
    with pytest.raises(WeightsError) as told:
        weights.fetch(mirrored(dead_url, "absent.bin", "wrong.bin", "long.bin"))
    for reason in ("Connection refused", "answers 404", "other content", f"has {2 * len(data)}"):
        assert reason in str(told.value)
    assert dead_url in told.value.hint
    assert list((toolkit_home / "weights").iterdir()) == []


@pytest.mark.parametrize("url", ["http://example.org/net.bin", "file:///etc/hostname", "net:x"])
def test_only_https_is_asked(mirrored, web, url):
    with pytest.raises(WeightsError, match="is not an HTTPS address"):
        weights.fetch(mirrored(url))
    web.files["net.bin"] = url  # a redirection
    with pytest.raises(WeightsError, match=r"is not an HTTPS address|is not allowed"):
        weights.fetch(mirrored("net.bin"))


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (f"https://huggingface.co/{FILE}", f"https://mirror.example/hub/{FILE}"),
        (f"https://huggingface.co/spaces/{FILE}", f"https://mirror.example/hub/spaces/{FILE}"),
        (f"https://huggingface.co.example/{FILE}", f"https://huggingface.co.example/{FILE}"),
    ],
)
def test_another_endpoint_stands_in_for_the_hub(monkeypatch, url, asked):
    template = "https://mirror.example/hub/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert mirrors.address(url) == asked


def test_progress_is_told(mirrored, web):
    web.files["net.bin"] = BIG
    told = []
    weights.fetch_all([mirrored("net.bin", content=BIG)], progress=lambda *step: told.append(step))
    assert told[-1] == ("net.bin", len(BIG), len(BIG))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_hosts_that_do_not_answer_cost_no_more_than_one(mirrored, weight_file, monkeypatch, within):
    monkeypatch.setattr(network, "SECONDS", 0.3)
    ended = threading.Event()

    def hang(*_arguments, **_options):
        ended.wait(10)
        raise TimeoutError

    monkeypatch.setattr(network.socket, "create_connection", hang)
    urls = [f"https://{number}.example/net.bin" for number in range(9)]
    with within(1.5), pytest.raises(WeightsError, match="no answer within") as told:
        weights.fetch_all([mirrored(url, name=url[-13:-8]) for url in urls])
    ended.set()
    assert all(urlsplit(url).netloc in str(told.value) for url in urls)


def test_long_silence_is_told_once_with_the_way_by_hand(mirrored, web, monkeypatch, caplog):
    monkeypatch.setattr(network, "SECONDS", 0.2)
    opened = mirrors._opened
    monkeypatch.setattr(mirrors, "_opened", lambda *given: time.sleep(0.6) or opened(*given))
    web.files["net.bin"] = BIG
    with caplog.at_level(logging.WARNING):
        weights.fetch(mirrored("net.bin", content=BIG))
    [line] = [each.getMessage() for each in caplog.records]
    assert "net.bin (1 MB)" in line
    assert "toolkit weights fetch net.bin --from FILE" in line


FETCH = """
import sys
from toolkit import weights
from toolkit.weights import Mirrors, WeightFile
name, sha256, size, url = sys.argv[1:]
source = Mirrors(urls=(url,))
weights.fetch(WeightFile(name=name, sha256=sha256, size=int(size), licence="", sources=(source,)))
"""


def test_a_killed_download_leaves_nothing_that_looks_whole(mirrored, web):
    web.files["net.bin"], web.cuts = BIG, [500_000]
    web.stall.clear()
    file = mirrored("net.bin", content=BIG)
    given = [file.name, file.sha256, str(file.size), web.url("net.bin")]
    part = weights.path_of(file).with_name("net.bin.part")
    with subprocess.Popen([sys.executable, "-c", FETCH, *given], env=os.environ) as process:
        for _ in range(1000):
            if part.exists() and part.stat().st_size > 100_000:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert weights.check(file) is weights.State.missing
    web.stall.set()
    assert weights.fetch(file).read_bytes() == BIG
    assert web.requests[-1][1].startswith("bytes=")
