"""What the page's button does."""

import asyncio
import threading
import time

import pytest

from toolkit.errors import ToolkitError, UsageError
from toolkit.ui.page import Desk, _report, only_uploads
from toolkit.ui.work import Outcome


@pytest.fixture
def desk(offered, load, tmp_path):
    (tmp_path / "uploads").mkdir()
    return Desk(offered, tmp_path / "uploads", load)


@pytest.fixture
def upload(desk, photographs):
    def put(name):
        path = desk.uploads / name
        path.write_bytes((photographs / name).read_bytes())
        return str(path)

    return put


def ignore(_share, _told):
    pass


def test_uploads_are_restored_into_a_private_folder(desk, upload, restored):
    told = []
    folder, [outcome] = desk.restore(
        [upload("first.jpg")], "bicubic", 0, 1, lambda *each: told.append(each)
    )
    assert folder.parent == desk.uploads
    assert folder.stat().st_mode & 0o077 == 0
    assert outcome.result.read_bytes() == restored("first.jpg")
    assert told[0] == (0.0, "Loading bicubic")


@pytest.mark.parametrize("files", [None, []])
def test_without_photographs_there_is_a_hint(desk, files):
    with pytest.raises(UsageError, match="no photograph yet"):
        desk.restore(files, "bicubic", 0, 1, ignore)


def test_only_uploads_are_read(desk, photographs):
    for path in (photographs / "first.jpg", desk.uploads / ".." / "given" / "first.jpg"):
        with pytest.raises(UsageError, match="was not uploaded"):
            desk.restore([str(path)], "bicubic", 0, 1, ignore)
    link = desk.uploads / "link.jpg"
    link.symlink_to(photographs / "first.jpg")
    with pytest.raises(UsageError, match="was not uploaded"):
        desk.restore([str(link)], "bicubic", 0, 1, ignore)


def test_files_of_other_servers_are_not_fetched():
    async def keep(path):
        return f"kept {path}"

    checked = only_uploads(keep)
    assert asyncio.run(checked("/uploads/a.jpg")) == "kept /uploads/a.jpg"
    with pytest.raises(UsageError, match="was not uploaded"):
        asyncio.run(checked("https://example.org/a.jpg"))


def test_a_stopped_server_waits_for_the_tile_and_leaves_nothing(desk, upload):
    path, told, ended = upload("first.jpg"), [], threading.Event()

    def on_report(_share, what):
        told.append(what)
        if what == "first.jpg":
            started.set()
            time.sleep(0.2)
            ended.set()

    started = threading.Event()
    errors = []

    def work():
        try:
            desk.restore([path], "bicubic", 0, 1, on_report)
        except ToolkitError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    desk.stop()
    assert ended.is_set()
    thread.join()
    assert errors == ["The server was stopped."]
    assert told == ["Loading bicubic", "first.jpg"]
    assert [each.name for each in desk.uploads.iterdir()] == ["first.jpg"]
    with pytest.raises(ToolkitError, match="stopped"):
        desk.restore([path], "bicubic", 0, 1, ignore)


def test_names_are_escaped_in_the_report(tmp_path):
    rows = _report([
        Outcome("<b>.jpg", tmp_path / "<b>_x4.jpg", None, None, "1 × 1", ("<i>",)),
        Outcome("<u>.jpg", None, None, None, "<u>.jpg is broken", ()),
    ])  # fmt: skip
    assert "&lt;b&gt;_x4.jpg</a>" in rows
    assert "%3Cb%3E_x4.jpg" in rows
    assert "&lt;u&gt;.jpg is broken" in rows
    assert not any(sign in rows for sign in ("<b>", "<i>", "<u>"))
