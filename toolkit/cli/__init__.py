"""The command `toolkit`: parses and renders, nothing else; one file a command.

Importing it must load neither torch nor diffusers: `--help` answers at once.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings

from toolkit.errors import PluginWarning, ToolkitError, without_temporary_folder


def main() -> None:
    """Runs the command line; a user's mistake ends in one panel, never in a traceback."""
    from toolkit.cli.app import app
    from toolkit.cli.output import never_fail_to_print, show_error

    never_fail_to_print()
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    # The core says what takes long, such as a download, through its logger, and where it went on
    # without a part that failed, the traceback. What other libraries warn of is for those who
    # write programs; of a plugin that is set aside, commands tell themselves.
    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    logging.getLogger("toolkit").setLevel(logging.DEBUG if debug else logging.INFO)
    warnings.simplefilter("ignore", PluginWarning)
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
        told, hint = f"{place}{error.strerror or error}.", "Is there space, and may it be written?"
        if known := without_temporary_folder(error):
            told, hint = str(known), known.hint
        show_error(told, hint)
        sys.exit(1)
    except KeyboardInterrupt:
        show_error("Stopped.", "")
        sys.exit(130)
