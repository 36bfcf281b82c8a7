"""Serves the page from a private folder, which is deleted at the end."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError, UsageError
from toolkit.ui.page import STYLE, Desk, Load, build_page, theme

if TYPE_CHECKING:
    from toolkit.ui.offers import Offer

_NEEDED = (
    "/assets/", "/static/", "/svelte/", "/theme.css", "/favicon.ico", "/manifest.json", "/config",
    "/gradio_api/app_id", "/gradio_api/cancel", "/gradio_api/file=", "/gradio_api/heartbeat/",
    "/gradio_api/info", "/gradio_api/login_check", "/gradio_api/queue/", "/gradio_api/reset",
    "/gradio_api/startup-events", "/gradio_api/theme.css", "/gradio_api/upload",
)  # fmt: skip
"""Beginnings of the addresses that the page needs."""
_FETCHES = ("/gradio_api/file=http:", "/gradio_api/file=https:")
"""At these, Gradio would fetch files from other servers."""


class Gate:
    """Refuses every request that the page does not need."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes a request on, or answers that there is nothing."""
        from starlette.responses import PlainTextResponse

        path = scope.get("path", "")
        needed = path == "/" or (path.startswith(_NEEDED) and not path.startswith(_FETCHES))
        if scope["type"] == "http" and not needed:
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@contextmanager
def serving(
    offers: Sequence[Offer], load: Load, *, host: str, port: int, max_upload: int
) -> Iterator[str]:
    """Serves the page while its block runs; yields its address.

    Nothing is sent to other servers, and no file outside of a temporary folder is served.

    Args:
        offers: The restorers to choose from.
        load: Loads one by its source.
        host: Name or address to listen at.
        port: Number of the port; 0 for any that is free.
        max_upload: Limit of an uploaded file, in MB.

    Raises:
        ToolkitError: Gradio is not installed.
        UsageError: The host is not of this machine, or the port is in use.
    """
    port = free_port(host, port)
    with tempfile.TemporaryDirectory(prefix="toolkit-ui-", ignore_cleanup_errors=True) as private:
        uploads = Path(private).resolve() / "uploads"
        uploads.mkdir()
        with _settings(uploads):
            _import_gradio()
            desk = Desk(offers, uploads, load)
            page = build_page(desk)
            page.queue(api_open=False)
            try:
                page.launch(
                    server_name=host, server_port=port, share=False, quiet=True, inbrowser=False,
                    prevent_thread_lock=True, max_file_size=f"{max_upload}mb", pwa=False,
                    ssr_mode=False, mcp_server=False, run_history=False, footer_links=[],
                    enable_monitoring=False, show_error=False, theme=theme(), css_paths=[STYLE],
                    app_kwargs={"middleware": _middleware(host)},
                )  # fmt: skip
            except OSError as error:  # another program was faster
                raise UsageError(f"Port {port} cannot be used: {error}", "Try again.") from error
            try:
                yield str(page.local_url)
            finally:
                desk.stop()
                page.close(verbose=False)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str, port: int) -> int:
    """Checks that a port can be listened at, and returns it; one that is free for 0.

    Raises:
        UsageError: It cannot; names another.
    """
    try:
        free = _bound(host, 0)
    except OSError as error:
        raise UsageError(
            f"--host {host} is not an address of this machine: {error.strerror or error}.",
            "Leave it out, or use --host 0.0.0.0 for all addresses of this machine.",
        ) from None
    try:
        return _bound(host, port) if port else free
    except PermissionError:
        raise UsageError(
            f"Port {port} may not be used by your account.", f"Use another: --port {free}"
        ) from None
    except OSError:
        raise UsageError(
            f"Port {port} is in use, perhaps by another `toolkit ui`.",
            f"Use another: --port {free}",
        ) from None


def _bound(host: str, port: int) -> int:
    """Returns the port that a socket gets, which is closed again."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
        if os.name != "nt":  # there, it would allow a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _middleware(host: str) -> list[Any]:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    # A name of another server that leads here may not read the page: DNS rebinding.
    own = [Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", host])]
    return [Middleware(Gate), *(own if is_loopback(host) and ":" not in host else [])]


@contextmanager
def _settings(uploads: Path) -> Iterator[None]:
    """Sets what Gradio reads from the environment, and ignores the user's settings of it."""
    ours = {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(uploads),
        "GRADIO_EXAMPLES_CACHE": str(uploads / "examples"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Gradio asks its own server whether it has started.
        "NO_PROXY": ",".join(filter(None, [_proxied_not(), "localhost,127.0.0.1"])),
    }
    theirs = [name for name in os.environ if name.startswith("GRADIO_") or name == "no_proxy"]
    before = {name: os.environ.pop(name, None) for name in {*theirs, *ours}}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _proxied_not() -> str:
    return os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""


def _import_gradio() -> None:
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != "gradio":
            raise
        raise ToolkitError(
            "The page needs Gradio, which is not installed.",
            "Install it: pip install 'restoration-toolkit[ui]'",
        ) from None
