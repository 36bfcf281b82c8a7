"""What the server answers, and what it refuses."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from toolkit.errors import ToolkitError, UsageError
from toolkit.ui.server import _settings, free_port, is_loopback, serving

pytestmark = pytest.mark.slow  # Gradio takes seconds to be imported
httpx = pytest.importorskip("httpx", reason="Gradio, which brings it, is not installed")


@pytest.fixture
def client(served):
    with httpx.Client(base_url=served, trust_env=False, timeout=30) as client:
        yield client


def upload(client, path):
    answer = client.post("/gradio_api/upload", files={"files": (path.name, path.read_bytes())})
    [stored] = answer.json()
    return stored


def press(client, *files, restorer="bicubic"):
    """Presses the button with these files; returns the last message of the queue."""
    config = client.get("/config").json()
    [number] = [each["id"] for each in config["dependencies"] if len(each["inputs"]) == 5]
    data = [list(files), restorer, 0, 1, None]
    asked = {"data": data, "fn_index": number, "session_hash": "mine"}
    joined = client.post("/gradio_api/queue/join", json=asked)
    assert joined.status_code == 200, joined.text
    with client.stream("GET", "/gradio_api/queue/data?session_hash=mine") as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ") or "{}")
            if message.get("msg") == "process_completed":
                return message
    return None


def file_data(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def test_an_upload_is_restored(client, photographs, restored):
    done = press(client, file_data(upload(client, photographs / "first.jpg")))
    assert done["success"], done
    _, slider, _, save, report = done["output"]["data"]
    assert len(slider) == 2
    assert save["value"]["orig_name"] == "first_x4.jpg"
    made = client.get(f"/gradio_api/file={save['value']['path']}")
    assert made.content == restored("first.jpg")
    assert "attachment" not in client.get(f"/gradio_api/file={slider[1]['path']}").headers
    assert "first_x4.jpg" in report


def test_files_of_this_machine_cannot_be_read(client, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_text("secret")
    for path in (secret, Path(__file__), "/etc/passwd", Path.cwd() / "pyproject.toml"):
        for address in (f"/gradio_api/file={path}", f"/file={path}", f"/static/../../..{path}"):
            answer = client.get(address)
            assert answer.status_code in {403, 404}, (address, answer.status_code)


def test_a_crafted_request_with_a_path_is_refused(client, photographs):
    path = photographs / "first.jpg"
    stored = Path(upload(client, path))
    crafted = [
        file_data(path),
        {"path": str(path)},
        file_data(f"{stored.parent}/../../../..{path}"),
        file_data(f"file://{path}"),
        file_data("http://127.0.0.1:1/photo.jpg"),
        file_data("https://example.org/photo.jpg"),
    ]
    for given in crafted:
        done = press(client, given)
        assert not done["success"], given
        assert "first_x4" not in json.dumps(done)


def test_a_restorer_that_is_not_offered_is_refused(client, photographs):
    stored = file_data(upload(client, photographs / "first.jpg"))
    assert not press(client, stored, restorer="spandrel")["success"]


def test_errors_have_words_and_a_hint(client, photographs):
    done = press(client, file_data(upload(client, photographs / "broken.jpg")))
    assert not done["success"]
    told = done["output"]["error"]
    assert told.startswith("broken.jpg is truncated")
    assert told.endswith("<br>Copy or download the file again")
    assert done["title"] == "Not restored"


def test_large_uploads_are_refused(client):
    large = bytes(2 * 2**20 + 1)
    answer = client.post("/gradio_api/upload", files={"files": ("large.png", large)})
    assert answer.status_code == 413
    assert "maximum allowed size" in answer.text


@pytest.mark.parametrize("address", [
    "/gradio_api/runs", "/gradio_api/proxy=https://example.org", "/gradio_api/component_server",
    "/gradio_api/file=https://example.org/a.jpg", "/monitoring/summary", "/docs",
])  # fmt: skip
def test_what_the_page_does_not_need_is_not_there(client, address):
    assert client.get(address).status_code == 404


def test_names_of_other_servers_that_lead_here_are_refused(client):
    assert client.get("/", headers={"Host": "example.org"}).status_code == 400


def test_the_page_names_no_other_server_to_fetch_from(client):
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False
    assert config["footer_links"] == []
    assert "http" not in json.dumps(config["stylesheets"])
    assert "url(http" not in client.get("/theme.css").text


def test_everything_is_deleted_at_the_end(serve, photographs):
    process, address = serve()
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        stored = Path(upload(client, photographs / "first.jpg"))
        assert press(client, file_data(stored))["success"]
    private = stored.parents[2]
    assert private.stat().st_mode & 0o077 == 0
    assert stored.is_file()
    process.terminate()  # handled as Ctrl-C is
    assert process.wait(timeout=60) == 0
    assert process.stderr.read().splitlines() == ["", "Stopped; uploads and results are deleted."]
    assert [*private.parent.glob("toolkit-ui-*")] == []


def test_the_environment_is_as_before(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_SHARE", "True")
    monkeypatch.setenv("no_proxy", "example.org")
    before = dict(os.environ)
    with _settings(tmp_path):
        assert "GRADIO_SHARE" not in os.environ
        assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path)
        assert os.environ["NO_PROXY"] == "example.org,localhost,127.0.0.1"
    assert dict(os.environ) == before


def test_a_port_in_use_is_told_with_one_that_is_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} is in use") as refused:
            free_port("127.0.0.1", port)
    other = int(refused.value.hint.rpartition(" ")[2])
    assert free_port("127.0.0.1", other) == other


def test_a_host_of_another_machine_is_told():
    with pytest.raises(UsageError, match=r"192\.0\.2\.1 is not an address of this machine"):
        free_port("192.0.2.1", 7860)


def test_loopback_hosts():
    local = ["localhost", "127.0.0.1", "127.1.2.3", "::1"]
    assert [is_loopback(host) for host in local] == [True] * 4
    assert not any(is_loopback(host) for host in ["0.0.0.0", "::", "192.168.0.2", "a.example.org"])


def test_without_gradio_the_command_that_installs_it_is_told(load, offered, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with (
        pytest.raises(ToolkitError, match="not installed") as refused,
        serving(offered, load, host="127.0.0.1", port=0, max_upload=1),
    ):
        pass
    assert refused.value.hint == "Install it: pip install 'restoration-toolkit[ui]'"
