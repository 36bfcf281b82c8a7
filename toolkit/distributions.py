"""The installed distributions that supply plugins: version, source and health."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from toolkit.discovery import is_own, plain_name
from toolkit.hookspecs import ENTRY_POINT_GROUP

if TYPE_CHECKING:
    from toolkit.registry import Registry


@dataclass(frozen=True)
class Supplier:
    """A distribution with plugins.

    Attributes:
        installed: What is known of it.
        components: Number of components that it supplies.
        fault: Why it was set aside; empty if it works.
    """

    installed: Distribution
    components: int
    fault: str

    @property
    def name(self) -> str:
        """Its name, as its author writes it."""
        return self.installed.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.installed.version

    @property
    def own(self) -> bool:
        """Whether it is one of the toolkit's own."""
        return is_own(self.name)

    @cached_property
    def origin(self) -> dict[str, Any]:
        """What its installer recorded (PEP 610); empty if it came from a package index."""
        try:
            recorded = json.loads(self.installed.read_text("direct_url.json") or "{}")
        except ValueError:
            return {}
        return recorded if isinstance(recorded, dict) and "url" in recorded else {}

    @property
    def source(self) -> str:
        """Where it came from: `index`, a folder, a file or an address."""
        if not self.origin:
            return "index"
        place = str(_path(self.origin["url"]) or _reference(self.origin))
        return f"editable, {place}" if self._editable else place

    @property
    def requirement(self) -> str:
        """The line of a requirements file that installs it again.

        The toolkit's own distributions have no version there, as it is that of the toolkit.
        """
        if not self.origin:
            return self.name if self.own else f"{self.name}=={self.version}"
        if self._editable:
            return f"-e {self.origin['url']}"  # a URL, as paths may contain spaces
        return f"{self.name} @ {_reference(self.origin)}"

    @property
    def _editable(self) -> bool:
        return bool(self.origin.get("dir_info", {}).get("editable"))


def suppliers(registry: Registry) -> list[Supplier]:
    """Returns all installed distributions with plugins: the toolkit's own, then others, by name."""
    faults = {plain_name(notice.distribution): notice.reason for notice in registry.notices}
    counts: dict[str, int] = {}
    for component in registry.components():
        name = plain_name(registry.provider(component))
        counts[name] = counts.get(name, 0) + 1
    found: dict[str, Supplier] = {}
    for installed in distributions():
        name = plain_name(installed.name or "")
        if name not in found and installed.entry_points.select(group=ENTRY_POINT_GROUP):
            found[name] = Supplier(installed, counts.get(name, 0), faults.get(name, ""))
    return sorted(found.values(), key=lambda supplier: (not supplier.own, supplier.name.lower()))


def _path(url: str) -> Path | None:
    """Returns the path of a `file:` URL; None for others."""
    parts = urlsplit(url)
    return Path(url2pathname(unquote(parts.path))) if parts.scheme == "file" else None


def _reference(origin: dict[str, Any]) -> str:
    """Returns the address as requirements have it, with the commit or the hash."""
    address = origin["url"]
    control, archive = origin.get("vcs_info"), origin.get("archive_info", {})
    if control:
        address = f"{control['vcs']}+{address}@{control['commit_id']}"
    fragments = [f"{name}={value}" for name, value in (archive.get("hashes") or {}).items()][:1]
    if folder := origin.get("subdirectory"):
        fragments.append(f"subdirectory={folder}")
    return f"{address}#{'&'.join(fragments)}" if fragments else address
