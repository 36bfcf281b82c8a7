"""Directories of tags, as TIFF files have them, and EXIF, which is TIFF without pixels."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 8: "i2", 9: "i4", 10: "i4"}
_NUMBERS |= {11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_RATIONAL = {5, 10}
SHORT, LONG, RATIONAL, UNDEFINED, BYTE = 3, 4, 5, 7, 1
"""Types of a field."""
_BELOW = {0x8769, 0x8825, 0xA005}
"""EXIF, GPS and interoperability: fields that point to a directory."""


class Field(NamedTuple):
    """What a tag says."""

    kind: int
    """Its type, by number."""
    data: bytes
    """Its values, little endian."""
    below: Mapping[int, Field] | None = None
    """The directory that it points to, instead of values."""

    def numbers(self) -> list[float]:
        """Its values; a fraction whose denominator is 0 is 0, and text has none."""
        values = np.frombuffer(
            self.data, f"<{_NUMBERS[self.kind]}" if self.kind in _NUMBERS else "V1"
        )
        if self.kind not in _NUMBERS:
            return []
        listed: list[float] = values.tolist()
        if self.kind not in _RATIONAL:
            return listed
        pairs = zip(listed[::2], listed[1::2], strict=True)
        return [above / below if below else 0.0 for above, below in pairs]


Directory = Mapping[int, Field]


class Form(NamedTuple):
    """How a file writes its numbers."""

    order: str = "<"
    big: bool = False
    """Whether it is BigTIFF, with offsets of 8 bytes."""

    @property
    def word(self) -> str:
        """An offset, for `struct`."""
        return f"{self.order}{'Q' if self.big else 'I'}"

    @property
    def amount(self) -> str:
        """How many entries a directory has, for `struct`."""
        return f"{self.order}{'Q' if self.big else 'H'}"

    @property
    def head(self) -> str:
        """An entry up to its values, for `struct`."""
        return f"{self.order}HH{'Q' if self.big else 'I'}"

    @property
    def root(self) -> int:
        """Where the offset of the first directory lies."""
        return 8 if self.big else 4


class Tiff(NamedTuple):
    """A file's directories; those of pages that follow the first come after it."""

    form: Form
    directories: tuple[Directory, ...]


_FORMS = {
    b"II*\0": Form("<"),
    b"MM\0*": Form(">"),
    b"II+\0": Form("<", big=True),
    b"MM\0+": Form(">", big=True),
}


def field(kind: int, *values: int) -> Field:
    """A field of integers; fractions are pairs of them."""
    return Field(kind, np.array(values, f"<{_NUMBERS[kind]}").tobytes())


def parse(data: bytes) -> Tiff | None:
    """The directories of a TIFF file or of EXIF; None where there are none.

    Fields that lie outside of the file or are of unknown types are left out.
    """
    form = _FORMS.get(data[:4])
    if form is None:
        return None
    found: list[Directory] = []
    seen: set[int] = set()
    try:
        (start,) = struct.unpack_from(form.word, data, form.root)
        while start and start not in seen:
            seen.add(start)
            directory, start = _directory(data, form, start, depth=3)
            found.append(directory)
    except struct.error:
        pass
    return Tiff(form, tuple(found)) if found else None


def build(directory: Directory, form: Form, at: int) -> bytes:
    """A directory with its values, to be put at a place of a file, which must be even."""
    word, entry = struct.calcsize(form.word), struct.calcsize(form.head)
    size = struct.calcsize(form.amount) + len(directory) * (entry + word) + word
    entries, values = [struct.pack(form.amount, len(directory))], b""
    for tag, each in sorted(directory.items()):
        values += b"\0" * (len(values) % 2)
        place = at + size + len(values)
        if each.below is not None:
            place += place % 2
            entries.append(struct.pack(f"{form.head}{form.word[1]}", tag, LONG, 1, place))
            if form.big:
                entries[-1] = struct.pack(f"{form.head}{form.word[1]}", tag, 16, 1, place)
            values += b"\0" * (place - at - size - len(values)) + build(each.below, form, place)
            continue
        count = len(each.data) // _SIZES[each.kind]
        raw = _swapped(each.kind, each.data, form)
        if len(raw) > word:
            values, raw = values + raw, struct.pack(form.word, place)
        entries.append(struct.pack(form.head, tag, each.kind, count) + raw.ljust(word, b"\0"))
    return b"".join(entries) + bytes(word) + values


def with_directory(data: bytes, form: Form, directory: Directory) -> bytes:
    """A TIFF file with another directory, as its only one."""
    body = data + b"\0" * (len(data) % 2)
    word = struct.calcsize(form.word)
    head = body[: form.root] + struct.pack(form.word, len(body)) + body[form.root + word :]
    return head + build(directory, form, len(body))


def exif_bytes(directory: Directory) -> bytes:
    """A directory as EXIF; empty where it is."""
    if not directory:
        return b""
    return b"II*\0" + struct.pack("<I", 8) + build(directory, Form(), 8)


def _directory(data: bytes, form: Form, start: int, depth: int) -> tuple[Directory, int]:
    """The directory at a place, and the place of the next."""
    (count,) = struct.unpack_from(form.amount, data, start)
    word, entry = struct.calcsize(form.word), struct.calcsize(form.head)
    at = start + struct.calcsize(form.amount)
    found: dict[int, Field] = {}
    for _ in range(count):
        tag, kind, amount = struct.unpack_from(form.head, data, at)
        size = _SIZES.get(kind, 0) * amount
        place = at + entry
        at = place + word
        if size > word:
            (place,) = struct.unpack_from(form.word, data, place)
        if not size or place + size > len(data):
            continue
        each = Field(kind, _swapped(kind, data[place : place + size], form))
        if tag in _BELOW:
            each = _below(data, form, each, depth) if depth else each._replace(below={})
            if not each.below:
                continue
        found.setdefault(tag, each)
    after = data[at : at + word]
    return found, struct.unpack(form.word, after)[0] if len(after) == word else 0


def _below(data: bytes, form: Form, pointer: Field, depth: int) -> Field:
    numbers = pointer.numbers()
    try:
        directory, _ = _directory(data, form, int(numbers[0]), depth - 1)
    except (struct.error, IndexError):
        directory = {}
    return pointer._replace(below=directory)


def _swapped(kind: int, data: bytes, form: Form) -> bytes:
    """Values between the file's order of bytes and little endian."""
    size = np.dtype(_NUMBERS.get(kind, "u1")).itemsize
    if form.order == "<" or size == 1:
        return data
    return np.frombuffer(data, f">u{size}").astype(f"<u{size}").tobytes()
