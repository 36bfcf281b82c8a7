"""Cache of figures in one SQLite file; to lose it costs time and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from toolkit.weights import home

_TABLE = "CREATE TABLE IF NOT EXISTS figures (key TEXT PRIMARY KEY, figure REAL NOT NULL)"
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def default_path() -> Path:
    """The file that the command line uses."""
    return home() / "scores.sqlite"


class ScoreCache:
    """Cache of figures by key. A file that fails is given up with one notice, and never raises.

    Each figure is committed on its own, so that a killed process loses none, and processes may
    share the file. SQLite's rollback journal does both, on network folders too, where its
    write-ahead log does not.

    Args:
        path: The file; made where there is none.
        notify: Is told, once, why the file is not used.
        patience: Seconds to wait for another process that writes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with ScoreCache(Path(folder) / "scores.sqlite") as cache:
        ...         cache.put("key", 0.25)
        ...         cache.get("key"), cache.get("other")
        (0.25, None)
    """

    def __init__(
        self,
        path: Path,
        notify: Callable[[str], None] = lambda _notice: None,
        patience: float = 30.0,
    ) -> None:
        self._path = path
        self._notify = notify
        self._patience = patience
        self._writable = True
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._open()
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def get(self, key: str) -> float | None:
        """The figure, if it is known."""
        if self._connection is None:
            return None
        query = "SELECT figure FROM figures WHERE key = ?"
        try:
            row = self._connection.execute(query, (key,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        # A foreign file may hold anything.
        return row[0] if row and isinstance(row[0], float) else None

    def put(self, key: str, figure: float) -> None:
        """Keeps a figure, at once."""
        if self._connection is None or not self._writable:
            return
        try:
            with self._connection:
                insert = "INSERT OR REPLACE INTO figures VALUES (?, ?)"
                self._connection.execute(insert, (key, figure))
        except sqlite3.Error as error:
            if _is_damaged(error):
                self._give_up(error)
                return
            self._writable = False  # what it holds can still be read
            self._notify(f"New scores are not kept in {self._path}: {error}.")

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_damaged(error):
                raise
            aside = _set_aside(self._path)
            self._notify(f"{self._path} is damaged ({error}): it is now {aside.name}, and a new "
                         "one is begun.")  # fmt: skip
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._patience)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
            connection.execute("SELECT key, figure FROM figures LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self, error: Exception) -> None:
        """Gives the file up; a damaged one is renamed, so that the next run begins a new one."""
        self.__exit__(None, None, None)
        what = ""
        if isinstance(error, sqlite3.Error) and _is_damaged(error):
            try:
                what = f"; it is now {_set_aside(self._path).name}"
            except OSError:
                what = "; delete it"
        self._notify(f"Scores are computed without the cache {self._path}: {error}{what}.")


def _is_damaged(error: sqlite3.Error) -> bool:
    # Extended codes say more in their upper bytes; errors of the module itself have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def _set_aside(path: Path) -> Path:
    """Renames a damaged file, and removes its journal, which SQLite would apply to a new one."""
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    return aside
