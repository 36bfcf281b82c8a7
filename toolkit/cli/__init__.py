"""The command `toolkit`: parses and renders, nothing else; one file a command.

Importing it must load neither torch nor diffusers: `--help` answers at once.
"""

from __future__ import annotations

import logging
import sys
import traceback

from toolkit.errors import ToolkitError


def main() -> None:
    """Runs the command line; a user's mistake ends in one panel, never in a traceback."""
    from toolkit.cli.app import app
    from toolkit.cli.output import show_error

    # The core says what takes long, such as a download, through its logger.
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("toolkit").setLevel(logging.INFO)
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app(prog_name="toolkit")
    except ToolkitError as error:
        if debug:
            traceback.print_exc()
        show_error(str(error), error.hint)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        show_error("Stopped.", "")
        sys.exit(130)
