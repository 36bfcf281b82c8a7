"""Shards that are elsewhere: in fsspec's memory, and on a web server."""

import errno
import multiprocessing
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest

import toolkit
from toolkit.errors import DataError, ImageError
from toolkit_shards import remote


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


@pytest.fixture
def bucket(memory, made):
    for index in range(4):
        content = made.shard_of(range(10 * index, 10 * index + 10))
        memory.pipe(f"/bucket/{index}.tar", content)
    return "memory://bucket"


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.failures:
            self.send_error(self.server.failures.pop())
        elif self.path.endswith("hanging.jpg"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            time.sleep(1)
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(folder):
    made = ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory=str(folder)))
    made.asked, made.failures = [], []
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def shards(urls, **options):
    return toolkit.make("dataset", {"use": "shards", "urls": urls, **options})


def numbers(dataset, made, count):
    return [made.number_of(dataset.draw(0, number)) for number in range(count)]


def settled(folder, count):
    """Waits for copies that are made ahead."""
    for _ in range(500):
        found = [path for path in folder.iterdir() if not path.suffix]
        if len(found) == count:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("urls", ["{0..3}.tar", "*.tar", "", "all.txt"])
def test_shards_elsewhere_are_drawn_like_local_ones(bucket, memory, made, urls):
    memory.pipe("/bucket/all.txt", b"0.tar\n1.tar\nmemory://bucket/2.tar\n3.tar\n")
    dataset = shards(f"{bucket}/{urls}", group=4, visit=10)
    assert sorted(numbers(dataset, made, 40)) == list(range(40))
    assert dataset.files == {}
    assert dataset.skipped == ()


def test_each_is_copied_once_and_the_next_ones_ahead(
    bucket, memory, made, toolkit_home, monkeypatch
):
    fetched = []
    monkeypatch.setattr(
        remote, "download", lambda url, path: fetched.append(url) or download(url, path)
    )
    dataset = shards(f"{bucket}/{{0..3}}.tar", group=2, visit=10)
    dataset.draw(0, 0)
    assert settled(toolkit_home / "shards", 3)
    numbers(dataset, made, 40)
    assert sorted(fetched) == [f"{bucket}/{index}.tar" for index in range(4)]


download = remote.download


def test_the_next_shards_are_asked_for_once_a_block(bucket):
    dataset, asked = shards(f"{bucket}/{{0..3}}.tar", group=1, visit=5), []
    dataset._following = lambda seed, number: asked.append(number) or []
    for number in range(12):
        dataset.draw(0, number)
    assert asked == [0, 5, 10]


def test_copies_take_bounded_space(bucket, made, toolkit_home):
    dataset = shards(f"{bucket}/{{0..3}}.tar", group=1, visit=2, cache=3e-5)  # one has 20 kB
    assert len(numbers(dataset, made, 30)) == 30
    assert settled(toolkit_home / "shards", 1)


def test_a_vanished_shard_is_told(bucket, memory):
    memory.rm("/bucket/1.tar")
    with pytest.raises(ImageError, match=r"memory://bucket/1\.tar cannot be read: there is no"):
        shards(f"{bucket}/1.tar").draw(0, 0)


def test_an_empty_bucket_is_a_clear_error(memory):
    memory.mkdir("/empty")
    with pytest.raises(DataError, match=r"There is no \.tar file at memory://empty/"):
        shards("memory://empty/")


@pytest.mark.parametrize("urls", ["data-{0..4}.tar", "", "*.tar"])
def test_a_web_server_is_enough(server, made, urls):
    dataset = shards(f"{server.url}/{urls}", group=5, visit=10)
    assert sorted(numbers(dataset, made, 50)) == list(range(50))


def test_failures_that_pass_are_waited_for(server, made):
    server.failures = [503, 500]
    assert made.number_of(shards(f"{server.url}/data-3.tar").draw(0, 0)) // 10 == 3
    assert len(server.asked) == 3


def test_failures_that_remain_are_told(server):
    server.failures = [503] * 9
    with pytest.raises(ImageError, match=r"data-3\.tar cannot be read: .*503") as found:
        shards(f"{server.url}/data-3.tar").draw(0, 0)
    assert len(server.asked) == 3
    assert "connection" in found.value.hint


def test_a_missing_file_is_not_waited_for(server):
    with pytest.raises(ImageError, match="there is no such file"):
        shards(f"{server.url}/none.tar").draw(0, 0)
    assert len(server.asked) == 1


def test_a_server_that_falls_silent_is_given_up(server, monkeypatch):
    monkeypatch.setattr(remote, "_SILENCE", 0.1)
    with pytest.raises(ImageError, match=r"hanging\.jpg cannot be read: .*Time"):
        remote.read(f"{server.url}/hanging.jpg")


def test_nobody_there_is_told():
    with pytest.raises(ImageError, match=r"127\.0\.0\.1:1/a\.tar cannot be read"):
        remote.read("http://127.0.0.1:1/a.tar")


def in_a_child(dataset, sender):
    sender.send([dataset.draw(0, number).name for number in range(20)])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_connections_survive_a_fork(server, toolkit_home):
    dataset = shards(f"{server.url}/data-{{0..4}}.tar", group=1, visit=4)
    dataset.draw(0, 0)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    children = multiprocessing.get_context("fork")
    child = children.Process(target=in_a_child, args=(dataset, sender))
    child.start()
    expected = [dataset.draw(0, number).name for number in range(20)]
    assert receiver.poll(30)
    assert receiver.recv() == expected
    child.join(30)
    assert child.exitcode == 0


def test_a_full_disk_is_no_fault_of_the_shard():
    def work():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"no space for a copy of s3://a: No space") as found:
        remote.patiently("s3://a", work)
    assert "data.cache" in found.value.hint


def test_a_lacking_library_is_named(monkeypatch):
    def lacking(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", lacking)
    with pytest.raises(DataError, match="Install s3fs to access S3") as found:
        remote.read("s3://bucket/a.tar")
    assert found.value.hint == "pip install 'restoration-toolkit-shards[s3]'"
