"""Images from and to pipes: `-` instead of a path."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

from toolkit.errors import DataError, UsageError
from toolkit.image_files import suffix_of_data

PIPE = Path("-")


@contextmanager
def piped(
    inputs: Sequence[Path], out: Path | None, *, report: bool
) -> Iterator[tuple[list[Path], Path | None]]:
    """Yields inputs and output as files; what is written for a pipe goes there afterwards.

    Without an output, an image from a pipe goes to a pipe. What is printed meanwhile goes to stderr
    then.

    Args:
        inputs: Paths; alone, `-` is stdin.
        out: A path; `-` is stdout; None for the default.
        report: Whether results are printed as text; else stdout is needed for them.

    Raises:
        UsageError: There is more than one image, or stdout is a terminal or needed otherwise.
        DataError: Nothing came from the pipe.
    """
    inputs = list(inputs)
    reads, writes = PIPE in inputs, out == PIPE or (PIPE in inputs and out is None)
    if not reads and not writes:
        yield inputs, out
        return
    _check(inputs, report=report or not writes, writes=writes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if reads:
            data = sys.stdin.buffer.read()
            if not data:
                raise DataError(
                    "Nothing came from the pipe.", "As in: cat photo.jpg | toolkit restore -"
                )
            inputs = [folder / f"stdin{suffix_of_data(data)}"]
            inputs[0].write_bytes(data)
        if not writes:
            yield inputs, out
            return
        made = folder / "made"
        with redirect_stdout(sys.stderr):
            yield inputs, made
        written = list(made.glob("*"))
        sys.stdout.buffer.write(written[0].read_bytes())
        sys.stdout.flush()


def _check(inputs: list[Path], *, report: bool, writes: bool) -> None:
    if len(inputs) > 1 or (writes and inputs[0].is_dir()):
        raise UsageError("A pipe takes one image.", "Name one input, or a folder with --out.")
    if not report:
        raise UsageError(
            "--format json and the image both go to stdout.", "Name a file: --out photo_x4.png"
        )
    if writes and sys.stdout.isatty():
        raise UsageError(
            "The image would be written to the terminal.",
            "Name a file with --out, or redirect it: … > photo_x4.png",
        )
