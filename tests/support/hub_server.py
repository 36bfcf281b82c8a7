"""A model hub on this machine, which speaks as much of the hub's API as its library uses."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_test"
OWNER = "me"


def address(repository, path, revision="main"):
    """The address of a file, as a plugin lists it."""
    return f"https://huggingface.co/{repository}/resolve/{revision}/{path}"


@dataclass
class Repository:
    """Branches of commits, each with all of its files; large ones are kept under their SHA-256."""

    private: bool = False
    branches: dict = field(default_factory=lambda: {"main": "0" * 40})
    commits: dict = field(default_factory=lambda: {"0" * 40: {}})

    def commit(self, files, branch="main"):
        names = json.dumps(
            [branch, *sorted((k, hashlib.sha1(v).hexdigest()) for k, v in files.items())]
        )
        oid = hashlib.sha1(names.encode()).hexdigest()
        self.commits[oid] = dict(files)
        self.branches[branch] = oid
        return oid

    def oid(self, revision):
        return self.branches.get(revision, revision if revision in self.commits else None)

    @property
    def files(self):
        return self.commits[self.branches["main"]]


def is_large(path):
    return path.endswith((".safetensors", ".bin", ".pth"))


def etag(path, data):
    if is_large(path):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


class Hub(ThreadingHTTPServer):
    """The hub. `repositories` are its content; `requests` what was asked of it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.objects = {}, {}
        self.requests, self.commits = [], []
        self.refuse, self.cuts, self.served = {}, [], {}
        self.stall = threading.Event()
        self.stall.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, name, files, kind="model", **more):
        """Adds a repository with one commit."""
        repository = Repository(**more)
        repository.commit(files)
        self.repositories[name if kind == "model" else f"{kind}s/{name}"] = repository
        return repository

    def downloads(self, ending=""):
        """Ranges of the downloads of files with this ending."""
        return [wanted for method, path, wanted in self.requests
                if method == "GET" and "/resolve/" in path and path.endswith(ending)]  # fmt: skip


@contextmanager
def running():
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.stall.set()
            server.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers each request by the parts of its path."""

    protocol_version = "HTTP/1.1"

    def handle_any(self):  # noqa: PLR0911
        parts = urlsplit(self.path)
        path, self.query = unquote(parts.path).strip("/"), parse_qs(parts.query)
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.server.requests.append((self.command, path, self.headers.get("Range")))
        for part, (status, code) in self.server.refuse.items():
            if part in f"{self.command} {path}":
                return self.answer(status, {"error": "refused"}, {"X-Error-Code": code})
        steps = path.split("/")
        if path == "api/whoami-v2":
            return self.whoami()
        if path == "api/repos/create":
            return self.create()
        if path == "api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch()
        if steps[0] == "objects":
            self.server.objects[steps[1]] = self.body
            return self.answer(200, {})
        if steps[:2] == ["api", "models"]:
            return self.model("/".join(steps[2:4]), steps[4:])
        if "resolve" in steps:
            at = steps.index("resolve")
            return self.resolve("/".join(steps[:at]), steps[at + 1], "/".join(steps[at + 2 :]))
        return self.answer(404, {})

    def do_GET(self):
        self.handle_any()

    def do_HEAD(self):
        self.handle_any()

    def do_POST(self):
        self.handle_any()

    def do_PUT(self):
        self.handle_any()

    @property
    def known(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def whoami(self):
        if not self.known:
            return self.answer(401, {"error": "Invalid credentials in Authorization header"})
        return self.answer(200, {"name": OWNER, "type": "user", "orgs": []})

    def create(self):
        wanted = json.loads(self.body)
        name = f"{wanted['organization'] or OWNER}/{wanted['name']}"
        if not self.known:
            return self.answer(401, {"error": "Invalid credentials in Authorization header"})
        if not name.startswith(f"{OWNER}/"):
            return self.answer(403, {"error": "no rights"})
        url = {"url": f"{self.server.url}/{name}", "name": name}
        if name in self.server.repositories:
            return self.answer(409, url)
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self.server.repositories[name] = Repository(private=private)
        return self.answer(200, url)

    def batch(self):
        objects = []
        for each in json.loads(self.body)["objects"]:
            href = f"{self.server.url}/objects/{each['oid']}"
            objects.append({**each, "actions": {"upload": {"href": href}}})
        return self.answer(200, {"transfer": "basic", "objects": objects})

    def repository(self, name):
        """The repository, if whoever asks may see it; else answers."""
        found = self.server.repositories.get(name)
        if not found or (found.private and not self.known):
            self.answer(401 if not self.known else 404, {}, {"X-Error-Code": "RepoNotFound"})
            return None
        return found

    def model(self, name, steps):  # noqa: PLR0911
        if not (repository := self.repository(name)):
            return None
        action, revision = (*steps, "revision", "main")[:2] if steps else ("revision", "main")
        if action == "branch":
            repository.branches[revision] = repository.branches["main"]
            return self.answer(200, {})
        if (oid := repository.oid(revision)) is None:
            return self.answer(404, {}, {"X-Error-Code": "RevisionNotFound"})
        files = repository.commits[oid]
        if action == "preupload":
            asked = [each["path"] for each in json.loads(self.body)["files"]]
            modes = [{"path": path, "uploadMode": "lfs" if is_large(path) else "regular",
                      "shouldIgnore": False} for path in asked]  # fmt: skip
            return self.answer(200, {"files": modes})
        if action == "commit":
            return self.commit(repository, name, revision, files)
        if action == "tree":
            return self.answer(200, [self.entry(path, data) for path, data in files.items()])
        siblings = [self.sibling(path, data) for path, data in sorted(files.items())]
        return self.answer(200, {"id": name, "private": repository.private, "sha": oid,
                                 "siblings": siblings})  # fmt: skip

    def sibling(self, path, data):
        told = {"rfilename": path}
        if "blobs" in self.query:
            told |= {"size": len(data), "blobId": etag("", data)}
            if is_large(path):
                told["lfs"] = {"size": len(data), "sha256": etag(path, data), "pointerSize": 130}
        return told

    def entry(self, path, data):
        told = {"type": "file", "path": path, "size": len(data), "oid": etag("", data)}
        if is_large(path):
            told["lfs"] = {"size": len(data), "oid": etag(path, data), "pointerSize": 130}
        return told

    def commit(self, repository, name, branch, files):
        files, lines = dict(files), list(map(json.loads, self.body.splitlines()))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(files, branch)
        self.server.commits.append(lines)
        url = f"{self.server.url}/{name}/commit/{oid}"
        return self.answer(200, {"success": True, "commitUrl": url, "commitOid": oid})

    def resolve(self, name, revision, path):
        if not (repository := self.repository(name)):
            return None
        if (oid := repository.oid(revision)) is None:
            return self.answer(404, {}, {"X-Error-Code": "RevisionNotFound"})
        if path not in repository.commits[oid]:
            return self.answer(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid})
        stated = repository.commits[oid][path]
        data = self.server.served.get(path, stated)  # of the same length
        headers = {"X-Repo-Commit": oid, "ETag": f'"{etag(path, stated)}"'}
        wanted = self.headers.get("Range") if self.command == "GET" else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "GET":
            cut = self.server.cuts.pop(0) if self.server.cuts else len(data)
            with suppress(OSError):
                self.wfile.write(data[start : start + cut])
                if start + cut < len(data):
                    self.server.stall.wait(20)
                    self.close_connection = True
                    self.connection.shutdown(2)
        return None

    def answer(self, status, document, headers=None):
        data = json.dumps(document).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_arguments):
        pass
