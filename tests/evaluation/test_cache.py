"""Scores that are kept, and what happens to a cache that cannot be used."""

import sqlite3
import subprocess
import sys

import pytest

from toolkit.evaluation.cache import ScoreCache


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "scores.sqlite"


@pytest.fixture
def notices():
    return []


def test_figures_come_back_exactly(path):
    with ScoreCache(path) as cache:
        cache.put("a", 0.1 + 0.2)
        cache.put("b", 1.0)
        cache.put("a", 1 / 3)
    with ScoreCache(path) as cache:
        assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1 / 3, 1.0, None)


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_damaged_file_is_set_aside_and_begun_anew(path, notices, content):
    path.parent.mkdir()
    path.write_bytes(content)
    path.with_name("scores.sqlite-journal").write_bytes(b"of the damaged file")
    with ScoreCache(path, notices.append) as cache:
        cache.put("a", 2.0)
        assert cache.get("a") == 2
    assert len(notices) == 1
    assert str(path) in notices[0]
    assert path.with_name("scores.sqlite.damaged").read_bytes() == content
    with ScoreCache(path, notices.append) as cache:
        assert cache.get("a") == 2
    assert len(notices) == 1


def test_a_file_that_is_damaged_further_on(path, notices):
    with ScoreCache(path) as cache:
        for number in range(2000):
            cache._connection.execute("INSERT INTO figures VALUES (?, 1)", (f"{number:064}",))
        cache._connection.commit()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xee" * (len(whole) - 8192))
    with ScoreCache(path, notices.append) as cache:
        assert {cache.get(f"{number:064}") for number in range(2000)} <= {None, 1.0}
        cache.put("a", 2.0)
    assert len(notices) == 1
    with ScoreCache(path, notices.append) as cache:
        cache.put("a", 2.0)
        assert cache.get("a") == 2
    assert len(notices) == 1


def test_a_place_that_is_no_folder(tmp_path, notices):
    (tmp_path / "file").write_text("")
    with ScoreCache(tmp_path / "file" / "scores.sqlite", notices.append) as cache:
        cache.put("a", 2.0)
        assert cache.get("a") is None
    assert len(notices) == 1
    assert "scores.sqlite" in notices[0]


@pytest.mark.parametrize("limit", ["query_only = ON", "max_page_count = 1"])
def test_a_read_only_or_full_file_can_still_be_read(path, notices, limit):
    with ScoreCache(path) as cache:
        cache.put("a", 2.0)
    with ScoreCache(path, notices.append) as cache:
        cache._connection.execute(f"PRAGMA {limit}")
        for number in range(2000):
            cache.put(f"{number:064}", 1.0)
        assert cache.get("a") == 2
    assert len(notices) == 1
    assert str(path) in notices[0]


def test_a_file_that_another_process_holds(path, notices):
    with ScoreCache(path) as cache:
        cache.put("a", 2.0)
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    with ScoreCache(path, notices.append, patience=0.01) as cache:
        assert cache.get("a") is None
    holder.close()
    assert len(notices) == 1
    assert path.is_file()  # not damaged, so not set aside


def test_a_database_of_something_else(path, notices):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE figures (key TEXT, figure TEXT)")
        other.execute("INSERT INTO figures VALUES ('a', 'many')")
    other.close()
    with ScoreCache(path, notices.append) as cache:
        assert cache.get("a") is None


WRITER = """
import sys
from pathlib import Path
from toolkit.evaluation.cache import ScoreCache
with ScoreCache(Path(sys.argv[1]), print) as cache:
    for number in range(150):
        cache.put(f"{sys.argv[2]}{number}", float(number))
"""


def test_processes_share_it(path):
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    assert [writer.communicate()[0] for writer in writers] == ["", ""]
    with ScoreCache(path) as cache:
        assert all(cache.get(f"{name}{n}") == n for name in "ab" for n in range(150))
