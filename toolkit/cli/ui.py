"""`toolkit ui`."""

from __future__ import annotations

import signal
import threading
import webbrowser
from typing import Annotated

import typer

from toolkit import defaults
from toolkit.cli.completion import names_of
from toolkit.cli.output import load_registry, note, working


def ui(
    sources: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="RUN|FILE|NAME", autocompletion=names_of("restorer"),
                     help="Offer this restorer, run or checkpoint first.",
                     show_default=defaults.RESTORER),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines use the page.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")
    ] = 7860,
    max_upload: Annotated[
        int, typer.Option(metavar="MB", min=1, help="Limit of an uploaded file.")
    ] = 200,
    open_it: Annotated[
        bool, typer.Option("--open/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:  # fmt: skip
    r"""Restore photographs on a page in a browser.

    Drop photographs, choose a restorer, compare before and after, and download the results, which
    are the files that toolkit restore writes. Nothing leaves this machine, and uploads and results
    are deleted when the command ends.

    Needs Gradio: pip install 'restoration-toolkit\[ui]'

    Examples:
      toolkit ui

      toolkit ui --with runs/first --with real-esrgan

      toolkit ui --host 0.0.0.0 --port 8000 --no-browser
    """
    registry = load_registry()
    from toolkit.restoring.loaded import load
    from toolkit.ui.offers import offers
    from toolkit.ui.server import is_loopback, serving

    with working():
        for source in sources or []:
            load(source)  # mistakes show at once
        # Ended by the system, it must delete its files, too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with serving(
                offers(registry, sources or []), load, host=host, port=port, max_upload=max_upload
            ) as address:
                note(f"Restore photographs at {address} - Ctrl-C ends.")
                if not is_loopback(host):
                    note(
                        f"Notice: whoever reaches port {port} of this machine can use the page; it "
                        "has no password. For yourself alone, leave --host out."
                    )
                if open_it:
                    _open(address)
                threading.Event().wait()
        except KeyboardInterrupt:
            note("\nStopped; uploads and results are deleted.")


def _open(address: str) -> None:
    """Opens the page, unless the only browser is one of the terminal, which it would occupy."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is not webbrowser.GenericBrowser:
        browser.open(address)
