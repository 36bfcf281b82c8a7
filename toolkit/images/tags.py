"""Tag directories of TIFF files, and of EXIF, which is TIFF without pixels."""

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
"""Field types."""
_POINTERS = {0x8769, 0x8825, 0xA005}
"""Fields that point to a directory: EXIF, GPS and interoperability."""


class Field(NamedTuple):
    """The value of a tag."""

    kind: int
    """Number of its type."""
    data: bytes
    """Its values, little-endian."""
    directory: Mapping[int, Field] | None = None
    """The directory that it points to; None if it holds values."""

    def numbers(self) -> list[float]:
        """Returns the values; fractions with a denominator of 0 are 0, and text gives none."""
        values = np.frombuffer(
            self.data, f"<{_NUMBERS[self.kind]}" if self.kind in _NUMBERS else "V1"
        )
        if self.kind not in _NUMBERS:
            return []
        numbers: list[float] = values.tolist()
        if self.kind not in _RATIONAL:
            return numbers
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return [numerator / denominator if denominator else 0.0 for numerator, denominator in pairs]


Directory = Mapping[int, Field]


class Form(NamedTuple):
    """Byte order and offset size of a file."""

    order: str = "<"
    big: bool = False
    """Whether it is BigTIFF, with 8-byte offsets."""

    @property
    def word(self) -> str:
        """`struct` format of an offset."""
        return f"{self.order}{'Q' if self.big else 'I'}"

    @property
    def amount(self) -> str:
        """`struct` format of the number of entries in a directory."""
        return f"{self.order}{'Q' if self.big else 'H'}"

    @property
    def head(self) -> str:
        """`struct` format of an entry up to its values."""
        return f"{self.order}HH{'Q' if self.big else 'I'}"

    @property
    def root(self) -> int:
        """Position of the first directory's offset."""
        return 8 if self.big else 4


class Tiff(NamedTuple):
    """The directories of a file, in the order of its pages."""

    form: Form
    directories: tuple[Directory, ...]


_FORMS = {
    b"II*\0": Form("<"),
    b"MM\0*": Form(">"),
    b"II+\0": Form("<", big=True),
    b"MM\0+": Form(">", big=True),
}


def field(kind: int, *values: int) -> Field:
    """Makes a field of integers; a fraction is a pair."""
    return Field(kind, np.array(values, f"<{_NUMBERS[kind]}").tobytes())


def parse(data: bytes) -> Tiff | None:
    """Reads the directories of a TIFF file or of EXIF; None if there are none.

    Fields of unknown type or outside of the file are omitted.
    """
    form = _FORMS.get(data[:4])
    if form is None:
        return None
    directories: list[Directory] = []
    seen: set[int] = set()
    try:
        (start,) = struct.unpack_from(form.word, data, form.root)
        while start and start not in seen:
            seen.add(start)
            directory, start = _directory(data, form, start, depth=3)
            directories.append(directory)
    except struct.error:
        pass
    return Tiff(form, tuple(directories)) if directories else None


def build(directory: Directory, form: Form, at: int) -> bytes:
    """Encodes a directory with its values, to be written at offset `at`, which must be even."""
    word, entry = struct.calcsize(form.word), struct.calcsize(form.head)
    size = struct.calcsize(form.amount) + len(directory) * (entry + word) + word
    entries, values = [struct.pack(form.amount, len(directory))], b""
    for tag, item in sorted(directory.items()):
        values += b"\0" * (len(values) % 2)
        offset = at + size + len(values)
        if item.directory is not None:
            offset += offset % 2
            kind = 16 if form.big else LONG
            entries.append(struct.pack(f"{form.head}{form.word[1]}", tag, kind, 1, offset))
            padding = b"\0" * (offset - at - size - len(values))
            values += padding + build(item.directory, form, offset)
            continue
        count = len(item.data) // _SIZES[item.kind]
        raw = _swapped(item.kind, item.data, form)
        if len(raw) > word:
            values, raw = values + raw, struct.pack(form.word, offset)
        entries.append(struct.pack(form.head, tag, item.kind, count) + raw.ljust(word, b"\0"))
    return b"".join(entries) + bytes(word) + values


def with_directory(data: bytes, form: Form, directory: Directory) -> bytes:
    """Replaces all directories of a TIFF file by a single one."""
    body = data + b"\0" * (len(data) % 2)
    word = struct.calcsize(form.word)
    head = body[: form.root] + struct.pack(form.word, len(body)) + body[form.root + word :]
    return head + build(directory, form, len(body))


def exif_bytes(directory: Directory) -> bytes:
    """Encodes a directory as EXIF; empty if the directory is."""
    if not directory:
        return b""
    return b"II*\0" + struct.pack("<I", 8) + build(directory, Form(), 8)


def _directory(data: bytes, form: Form, start: int, depth: int) -> tuple[Directory, int]:
    """Reads the directory at an offset; also returns the offset of the next."""
    (count,) = struct.unpack_from(form.amount, data, start)
    word, entry = struct.calcsize(form.word), struct.calcsize(form.head)
    at = start + struct.calcsize(form.amount)
    fields: dict[int, Field] = {}
    for _ in range(count):
        tag, kind, amount = struct.unpack_from(form.head, data, at)
        size = _SIZES.get(kind, 0) * amount
        offset = at + entry
        at = offset + word
        if size > word:
            (offset,) = struct.unpack_from(form.word, data, offset)
        if not size or offset + size > len(data):
            continue
        item = Field(kind, _swapped(kind, data[offset : offset + size], form))
        if tag in _POINTERS:
            item = _follow(data, form, item, depth) if depth else item._replace(directory={})
            if not item.directory:
                continue
        fields.setdefault(tag, item)
    following = data[at : at + word]
    return fields, struct.unpack(form.word, following)[0] if len(following) == word else 0


def _follow(data: bytes, form: Form, pointer: Field, depth: int) -> Field:
    """Reads the directory that a field points to."""
    numbers = pointer.numbers()
    try:
        directory, _ = _directory(data, form, int(numbers[0]), depth - 1)
    except (struct.error, IndexError):
        directory = {}
    return pointer._replace(directory=directory)


def _swapped(kind: int, data: bytes, form: Form) -> bytes:
    """Converts values between the file's byte order and little-endian."""
    size = np.dtype(_NUMBERS.get(kind, "u1")).itemsize
    if form.order == "<" or size == 1:
        return data
    return np.frombuffer(data, f">u{size}").astype(f"<u{size}").tobytes()
