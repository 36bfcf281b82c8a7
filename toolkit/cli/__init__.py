"""The command line: parses arguments and prints results; one file per command.

Importing it loads neither torch nor diffusers, so that `--help` is fast.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings

from toolkit.errors import (
    PluginWarning,
    ToolkitError,
    ToolkitWarning,
    lacks_memory,
    without_temporary_folder,
)
from toolkit.files import CHECK_SPACE


def main() -> None:
    """Runs the command line; prints a user's mistake as a panel, without a traceback."""
    from toolkit.cli.app import app
    from toolkit.cli.output import never_fail_to_print, show_error, show_warning

    never_fail_to_print()
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    _set_up_messages(debug)
    warnings.showwarning = show_warning
    try:
        app(prog_name="toolkit")
    except BrokenPipeError:
        # The reader of our output has gone; the interpreter must not try to flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (Exception, KeyboardInterrupt) as error:
        told = _told(error)
        if told is None:
            raise
        if debug and not isinstance(error, KeyboardInterrupt):
            traceback.print_exc()
        message, hint, code = told
        show_error(message, hint)
        sys.exit(code)


def _set_up_messages(debug: bool) -> None:
    """Shows what the core logs about work that takes long, such as downloads.

    At level DEBUG it also logs the tracebacks of errors that it recovered from. Warnings of other
    libraries are for programmers; commands print notices about plugins themselves.
    """
    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    logging.getLogger("toolkit").setLevel(logging.DEBUG if debug else logging.INFO)
    warnings.simplefilter("ignore")
    warnings.simplefilter("once", ToolkitWarning)
    warnings.simplefilter("ignore", PluginWarning)


def _told(error: BaseException) -> tuple[str, str, int] | None:
    """Returns an error's message, hint and exit code; None if it is a programmer's mistake."""
    if isinstance(error, ToolkitError):
        return str(error), error.hint, error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "Stopped.", "", 130
    if isinstance(error, OSError):
        if known := without_temporary_folder(error):
            return str(known), known.hint, 1
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}.", CHECK_SPACE, 1
    if lacks_memory(error):
        first = str(error).partition("\n")[0]
        return f"Memory does not suffice: {first or type(error).__name__}", _LESS_MEMORY, 1
    return None


_LESS_MEMORY = (
    "In restoring: a smaller --tile. In training: a smaller --batch, or --set train.accumulate=4, "
    "which gives the same result in more pieces. To see what fits: toolkit train --plan "
    "--memory 24GB"
)
