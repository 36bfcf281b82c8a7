"""The quality that a JPEG file was written with, from its quantisation tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from toolkit.images.picture import Pixels

# Rec. ITU-T T.81, tables K.1 and K.2, by rows.
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMA = np.full((8, 8), 99)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def quality_of(tables: dict[int, Pixels]) -> int | None:
    """Returns the least quality of libjpeg that is nowhere coarser than a file's tables.

    That is the very quality for files of libjpeg and most cameras. Other tables have no exact
    counterpart; "nowhere coarser" then holds for the sum of each table.

    Args:
        tables: Quantisation tables by number, 64 values each in any order: 0 for brightness, 1 for
            colours. Without 1, the colours do not count.

    Returns:
        1 to 100; None without a table for brightness.
    """
    if 0 not in tables:
        return None
    standards = ((tables[0], _LUMA), (tables.get(1), _CHROMA))
    wanted = [(int(table.sum()), standard) for table, standard in standards if table is not None]
    fitting = (
        quality
        for quality in range(1, 101)
        if all(_table(standard, quality).sum() <= total for total, standard in wanted)
    )
    return next(fitting, 100)


def tables_in(bodies: Iterable[bytes]) -> dict[int, Pixels]:
    """Reads quantisation tables from the bodies of DQT segments; damaged ones are left out."""
    tables: dict[int, Pixels] = {}
    for body in bodies:
        at = 0
        while at < len(body):
            wide, number = body[at] >> 4, body[at] & 15
            size = 128 if wide else 64
            values = np.frombuffer(body[at + 1 : at + 1 + size], ">u2" if wide else "u1")
            if len(values) == 64:
                tables[number] = values.astype(np.int64)
            at += 1 + size
    return tables


def _table(standard: Pixels, quality: int) -> Pixels:
    """Returns libjpeg's table of a quality."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: Pixels = ((standard * scale + 50) // 100).clip(1, 255)
    return table
