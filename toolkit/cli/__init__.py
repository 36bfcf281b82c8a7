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
    # The core logs what takes long, such as downloads, and at level DEBUG the tracebacks of errors
    # that it recovered from. Warnings of other libraries are for programmers; commands print
    # notices about plugins that were set aside themselves.
    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    logging.getLogger("toolkit").setLevel(logging.DEBUG if debug else logging.INFO)
    warnings.simplefilter("ignore")
    warnings.simplefilter("once", ToolkitWarning)
    warnings.simplefilter("ignore", PluginWarning)
    warnings.showwarning = show_warning
    try:
        app(prog_name="toolkit")
    except ToolkitError as error:
        if debug:
            traceback.print_exc()
        show_error(str(error), error.hint)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone; the interpreter must not try to flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if debug:
            traceback.print_exc()
        place = f"{error.filename}: " if error.filename else ""
        told, hint = f"{place}{error.strerror or error}.", CHECK_SPACE
        if known := without_temporary_folder(error):
            told, hint = str(known), known.hint
        show_error(told, hint)
        sys.exit(1)
    except KeyboardInterrupt:
        show_error("Stopped.", "")
        sys.exit(130)
    except Exception as error:
        if not lacks_memory(error):
            raise
        if debug:
            traceback.print_exc()
        first = str(error).partition("\n")[0]
        show_error(f"Memory does not suffice: {first or type(error).__name__}", _LESS_MEMORY)
        sys.exit(1)


_LESS_MEMORY = (
    "In training: a smaller --batch, or --set train.accumulate=4, which gives the same result in more "
    "pieces; to see what fits: toolkit train --plan --memory 24GB. In restoring: --tile 128."
)
