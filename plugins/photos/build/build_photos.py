"""Builds the photographs of the `photos` dataset from Debian packages.

`selection.toml` lists the files with their package, name, scale, crop, author and licence. Packages
are verified by SHA-256, and the result is reproducible bit for bit.

    python build_photos.py --packages DIR [--extra DIR]

Needs `dpkg-deb` and the toolkit. Packages missing from DIR are downloaded with
`apt-get download`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "toolkit_photos" / "data"
QUALITY = {"heldout": 95, "train": 95, "extra": 90}
SIZE_LIMIT = 22_000_000  # total size of the included photographs, in bytes

_RCC_COMPRESSED_ZLIB = 1
_RCC_DIRECTORY = 2
_RCC_COMPRESSED_ZSTD = 4

Image = NDArray[np.uint8]


class BuildError(Exception):
    """The build failed."""


@dataclass(frozen=True)
class Package:
    """A Debian package, pinned by its checksum."""

    name: str
    version: str
    sha256: str
    root: str
    """Folder inside the package to which paths of photos are relative."""


@dataclass(frozen=True)
class Photo:
    """One entry of `selection.toml`."""

    name: str
    split: str
    package: str
    path: str
    """Path relative to the package's root, or `FILE.rcc!PATH` for a Qt resource."""
    scale: float
    size: tuple[int, int]
    """Width and height of the centre crop, after scaling, in pixels."""
    title: str
    author: str
    licence: str
    origin: str = ""
    """Original source of the photo, if the package states it."""
    earlier_changes: str = ""
    """Changes made by the packager, if the package states them."""


def read_selection(path: Path) -> tuple[dict[str, Package], list[Photo]]:
    """Reads the selection and checks names, splits and packages."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    packages = {name: Package(name=name, **entry) for name, entry in document["package"].items()}
    photos = [Photo(**{**entry, "size": tuple(entry["size"])}) for entry in document["photo"]]
    names = [photo.name for photo in photos]
    for photo in photos:
        if names.count(photo.name) > 1:
            raise BuildError(f"{path}: the name {photo.name!r} is used twice")
        if photo.split not in QUALITY or photo.package not in packages:
            raise BuildError(f"{path}: {photo.name}: unknown split or package")
    return packages, photos


def call(*command: str | Path, folder: Path | None = None) -> None:
    """Runs a program from PATH."""
    if subprocess.run(command, cwd=folder, check=False).returncode:  # noqa: S603
        raise BuildError(f"`{' '.join(map(str, command))}` failed in {folder or Path.cwd()}")


def package_file(package: Package, folder: Path) -> Path:
    """Returns the verified `.deb` file of a package, after downloading it if necessary."""
    if not any(folder.glob(f"{package.name}_*.deb")):
        folder.mkdir(parents=True, exist_ok=True)
        call("apt-get", "download", f"{package.name}={package.version}", folder=folder)
    for path in sorted(folder.glob(f"{package.name}_*.deb")):
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() == package.sha256:
                return path
    raise BuildError(f"{folder}: no {package.name} {package.version} with the pinned SHA-256")


def resource_entries(resource: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yields (path, flags, stored bytes) of each file in a Qt binary resource (`.rcc`)."""
    if resource[:4] != b"qres":
        raise BuildError("not a Qt resource file: it does not start with 'qres'")
    version, tree, data, names = struct.unpack_from(">4I", resource, 4)
    node_size = 22 if version >= 2 else 14

    def walk(node: int, parent: str) -> Iterator[tuple[str, int, bytes]]:
        start = tree + node * node_size
        name_offset, flags = struct.unpack_from(">IH", resource, start)
        path = parent
        if node:
            (length,) = struct.unpack_from(">H", resource, names + name_offset)
            text = names + name_offset + 6
            path += "/" + resource[text : text + 2 * length].decode("utf-16-be")
        if flags & _RCC_DIRECTORY:
            count, first = struct.unpack_from(">2I", resource, start + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        (offset,) = struct.unpack_from(">I", resource, start + 10)
        (length,) = struct.unpack_from(">I", resource, data + offset)
        begin = data + offset + 4
        yield path.lstrip("/"), flags, resource[begin : begin + length]

    yield from walk(0, "")


def resource_file(resource: bytes, path: str) -> bytes:
    """Returns the decompressed contents of a file in a Qt binary resource."""
    for name, flags, stored in resource_entries(resource):
        if name != path:
            continue
        if flags & _RCC_COMPRESSED_ZSTD:
            raise BuildError(f"{path}: Zstandard compression is not supported here")
        # Qt stores the uncompressed length in four bytes before the zlib stream.
        return zlib.decompress(stored[4:]) if flags & _RCC_COMPRESSED_ZLIB else stored
    raise BuildError(f"no {path} in the resource file")


def source_bytes(root: Path, path: str) -> bytes:
    """Returns the encoded image at `path` in an unpacked package."""
    outer, _, inner = path.partition("!")
    contents = (root / outer).read_bytes()
    return resource_file(contents, inner) if inner else contents


def decode(contents: bytes, name: str) -> Image:
    """Decodes to 8-bit BGR, `[h, w, 3]`, rotated by the EXIF orientation."""
    image = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise BuildError(f"{name}: OpenCV cannot decode it")
    return np.asarray(image, np.uint8)


def scaled_size(image: Image, scale: float) -> tuple[int, int]:
    """Returns width and height after scaling, in pixels."""
    return round(image.shape[1] * scale), round(image.shape[0] * scale)


def prepare(image: Image, photo: Photo) -> Image:
    """Downscales by area averaging, then crops the centre."""
    if photo.scale > 1:
        raise BuildError(f"{photo.name}: scale {photo.scale} would enlarge it")
    width, height = scaled_size(image, photo.scale)
    if photo.scale < 1:
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    crop_width, crop_height = photo.size
    if crop_width > width or crop_height > height:
        raise BuildError(f"{photo.name}: a crop of {photo.size} from {width}x{height}")
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    return image[top : top + crop_height, left : left + crop_width]


def encode(image: Image, quality: int) -> bytes:
    """Encodes as lossy WebP."""
    return cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def describe_changes(image: Image, photo: Photo) -> str:
    """Describes the changes to a photo, as required by its licence."""
    height, width = image.shape[:2]
    to_width, to_height = scaled_size(image, photo.scale)
    changes = [] if photo.scale == 1 else [f"scaled by {photo.scale:g} to {to_width}x{to_height}"]
    if photo.size != (to_width, to_height):
        changes.append("centre crop {}x{}".format(*photo.size))
    changes.append(f"saved as WebP at quality {QUALITY[photo.split]}")
    return f"from {width}x{height}: " + ", ".join(changes)


def attribution(photo: Photo, package: Package, changes: str) -> str:
    """Returns the photo's table in `ATTRIBUTION.toml`."""
    folder = "" if photo.split == "extra" else f"{photo.split}/"
    entry = {
        "file": f"{folder}{photo.name}.webp",
        "split": photo.split,
        "title": photo.title,
        "author": photo.author,
        "licence": photo.licence,
        "origin": photo.origin,
        "package": package.name,
        "version": package.version,
        "path": f"{package.root}/{photo.path}",
        "earlier_changes": photo.earlier_changes,
        "changes": changes,
    }
    # A JSON string of printable characters is a TOML basic string.
    lines = [
        f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in entry.items() if text
    ]
    return "\n".join(["[[photo]]", *lines, ""])


def attributed_files(out: Path) -> set[Path]:
    """Returns the files that an earlier build wrote to `out`."""
    listing = out / "ATTRIBUTION.toml"
    document = tomllib.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    return {out / entry["file"] for entry in document.get("photo", [])}


def build(
    packages: dict[str, Package], photos: list[Photo], roots: dict[str, Path], out: Path
) -> int:
    """Writes photos and `ATTRIBUTION.toml` to `out`; returns the total size in bytes."""
    entries, total, written = [], 0, set()
    for photo in sorted(photos, key=lambda photo: (photo.split, photo.name)):
        package = packages[photo.package]
        contents = source_bytes(roots[package.name] / package.root, photo.path)
        image = decode(contents, photo.path)
        encoded = encode(prepare(image, photo), QUALITY[photo.split])
        folder = out if photo.split == "extra" else out / photo.split
        write_atomically(folder / f"{photo.name}.webp", encoded)
        written.add(folder / f"{photo.name}.webp")
        entries.append(attribution(photo, package, describe_changes(image, photo)))
        total += len(encoded)
    for stale in attributed_files(out) - written:
        stale.unlink(missing_ok=True)
    header = "# Written by plugins/photos/build/build_photos.py; do not edit.\n\n"
    write_atomically(out / "ATTRIBUTION.toml", (header + "\n".join(entries)).encode())
    return total


def run(options: argparse.Namespace) -> None:
    """Unpacks the packages and builds the photographs."""
    packages, photos = read_selection(options.selection)
    jobs = [(options.out, [photo for photo in photos if photo.split != "extra"])]
    if options.extra:
        jobs.append((options.extra, [photo for photo in photos if photo.split == "extra"]))
    with tempfile.TemporaryDirectory() as scratch:
        roots = {}
        for name in sorted({photo.package for _, selected in jobs for photo in selected}):
            roots[name] = Path(scratch) / name
            call("dpkg-deb", "-x", package_file(packages[name], options.packages), roots[name])
        for out, selected in jobs:
            total = build(packages, selected, roots, out)
            sys.stdout.write(f"{len(selected)} photos, {total} bytes, in {out}\n")
            if out == options.out and total > SIZE_LIMIT:
                raise BuildError(f"the photos take {total} bytes, more than {SIZE_LIMIT}")


def main(arguments: list[str] | None = None) -> int:
    """Runs the build; returns the exit status."""
    parser = argparse.ArgumentParser(description="Builds the photographs of the photos dataset.")
    parser.add_argument("--packages", type=Path, required=True, help="folder of .deb files")
    parser.add_argument("--selection", type=Path, default=HERE / "selection.toml")
    parser.add_argument("--out", type=Path, default=DATA, help="folder for heldout/, train/")
    parser.add_argument("--extra", type=Path, help="folder for additional photos; default: none")
    try:
        run(parser.parse_args(arguments))
    except (BuildError, OSError) as error:
        sys.stderr.write(f"build_photos: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
