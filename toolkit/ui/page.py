"""The page: what it shows, and what its button does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from toolkit.errors import ToolkitError, UsageError
from toolkit.ui.work import Outcome, pack, restore_uploads

if TYPE_CHECKING:
    import gradio as gr

    from toolkit.restoring.loaded import Loaded
    from toolkit.ui.offers import Offer

STYLE = Path(__file__).with_name("style.css")
_TITLE = """<h1>Restore photographs</h1>
<p>Drop them, press Restore, compare, download. They stay on the machine that runs this page.</p>"""
_SIZES: list[tuple[str, float]] = [("Full", 0.0), ("×2", 2.0), ("×1", 1.0)]
_NOT_UPLOADED = "A file of this page was not uploaded to it.", "Drop it again."
_TYPES = ["image", ".avif", ".heic", ".heif", ".jp2", ".jxl", ".tif", ".tiff"]

Load = Callable[[str], "Loaded"]
Keep = Callable[[Any], Coroutine[Any, Any, str | None]]
Kept = tuple[Path, list[Outcome]] | None
"""What is kept for a browser: the folder of its last results, and these."""


class Desk:
    """Restores what a browser sends; one restorer is in memory at a time.

    Attributes:
        offers: The restorers to choose from, at least one.
        uploads: The folder of uploaded files, in which results are written, too.
    """

    def __init__(self, offers: Sequence[Offer], uploads: Path, load: Load) -> None:
        self.offers = {each.label: each for each in offers}
        self.uploads = uploads
        self._load = lru_cache(maxsize=1)(load)
        self._working, self._stopping = Lock(), False

    def restore(
        self,
        files: Sequence[str] | None,
        label: str,
        scale: float,
        strength: float,
        report: Callable[[float, str], object],
    ) -> tuple[Path, list[Outcome]]:
        """Restores uploaded files into a new folder; returns it, and what became of each.

        Args:
            files: Paths of uploaded files.
            label: Of the restorer.
            scale: Factor for both sides; 0 for the restorer's own.
            strength: From 0 to 1.
            report: Called with all progress.

        Raises:
            UsageError: Nothing was uploaded, or a path is not that of an upload.
            ToolkitError: The restorer cannot be loaded, or no photograph could be restored.
        """
        paths = [self._uploaded(each) for each in files or []]
        if not paths:
            raise UsageError("There is no photograph yet.", "Drop one, or click to choose.")

        def on_report(share: float, told: str) -> None:
            if self._stopping:
                raise ToolkitError("The server was stopped.")
            report(share, told)

        with self._working:
            on_report(0.0, f"Loading {label}")
            loaded = self._load(self.offers[label].source)
            folder = Path(tempfile.mkdtemp(dir=self.uploads))
            try:
                outcomes = restore_uploads(
                    loaded, paths, folder, scale=scale or None, strength=strength, report=on_report
                )
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return folder, outcomes

    def stop(self) -> None:
        """Gives up what is being restored; returns when the tile in progress is finished."""
        self._stopping = True
        with self._working:
            pass

    def _uploaded(self, file: str) -> Path:
        path = Path(file).resolve()
        if not (path.is_relative_to(self.uploads.resolve()) and path.is_file()):
            raise UsageError(*_NOT_UPLOADED)
        return path


def build_page(desk: Desk) -> gr.Blocks:
    """Builds the page. Gradio is imported here, as not every installation has it."""
    import gradio as gr

    page = gr.Blocks(title="Restore photographs", analytics_enabled=False)
    with page:
        kept = gr.State(None, delete_callback=_forget)
        gr.HTML(_TITLE, elem_id="title")
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300):
                files, restorer, scale, strength, start = _inputs(list(desk.offers.values()))
            with gr.Column(scale=2, min_width=320):
                slider, shown, save, report = _outputs()

        def run(
            given: list[str] | None,
            label: str,
            size: float,
            amount: float,
            before: Kept,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio finds it
        ) -> list[Any]:
            def on_report(share: float, told: str) -> None:
                progress(share, desc=told)

            try:
                folder, outcomes = desk.restore(given, label, size, amount, on_report)
                download = pack(outcomes, folder)
            except ToolkitError as error:
                raise _refused(error) from error
            if download is None:
                _forget((folder, outcomes))
                raise _refused(_failure(outcomes))
            _forget(before)
            return [(folder, outcomes), *_results(outcomes, download)]

        restorer.change(
            lambda label: gr.Dropdown(info=desk.offers[label].summary),
            restorer, restorer, show_progress="hidden", api_visibility="private",
        )  # fmt: skip
        start.click(
            run, [files, restorer, scale, strength, kept], [kept, slider, shown, save, report],
            show_progress_on=slider, concurrency_limit=1, api_visibility="private",
        )  # fmt: skip
        shown.input(
            lambda state, number: _views(state[1][number]) if state else None,
            [kept, shown], slider, show_progress="hidden", api_visibility="private",
        )  # fmt: skip
    return page


def _inputs(offers: Sequence[Offer]) -> tuple[Any, ...]:
    import gradio as gr

    files = gr.File(
        label="Photographs", file_count="multiple", file_types=_TYPES, height=190, elem_id="files"
    )
    # Gradio would fetch files from other servers if a request names them.
    files.async_move_resource_to_block_cache = only_uploads(  # type: ignore[assignment,method-assign]
        files.async_move_resource_to_block_cache
    )
    restorer = gr.Dropdown(
        [(_choice(each), each.label) for each in offers], value=offers[0].label, label="Restorer",
        info=offers[0].summary, filterable=False, elem_id="restorer",
    )  # fmt: skip
    scale = gr.Radio(_SIZES, value=0.0, label="Size", info="Full is the restorer's own, mostly ×4")
    strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", buttons=[])
    start = gr.Button("Restore", variant="primary", size="lg", elem_id="start")
    return files, restorer, scale, strength, start


def _outputs() -> tuple[Any, ...]:
    import gradio as gr

    slider = gr.ImageSlider(
        label="Before | after", interactive=False, max_height=620, type="filepath",
        buttons=["fullscreen"], elem_id="slider",
    )  # fmt: skip
    shown = gr.Dropdown(label="Photograph", visible=False, filterable=False, elem_id="shown")
    save = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="save")
    return slider, shown, save, gr.HTML(elem_id="report")


def _results(outcomes: Sequence[Outcome], download: Path) -> list[Any]:
    """Returns what the outputs show."""
    import gradio as gr

    made = [(each.name, number) for number, each in enumerate(outcomes) if each.result]
    several, first = len(made) > 1, made[0][1]
    verb = f"Download {len(made)} photographs" if several else f"Download {download.name}"
    return [
        _views(outcomes[first]),
        gr.Dropdown(made, value=first, visible=several),
        gr.DownloadButton(verb, value=str(download), visible=True),
        _report(outcomes),
    ]


def theme() -> gr.Theme:
    """Returns the page's colours and fonts: those of the system, so that nothing is fetched."""
    import gradio as gr

    made = gr.themes.Default(
        primary_hue="teal", secondary_hue="teal", neutral_hue="zinc", radius_size="md",
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"],
    )  # fmt: skip
    # Dark enough to be read on white, and the other way round.
    return made.set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_500",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_400",
    )


def only_uploads(keep: Keep) -> Keep:
    """Returns `keep`, which takes a path or an address, without the addresses."""

    async def checked(path: Any) -> str | None:
        if "://" in str(path):
            raise UsageError(*_NOT_UPLOADED)
        return await keep(path)

    return checked


def _choice(offer: Offer) -> str:
    if not offer.download:
        return offer.label
    return f"{offer.label} (downloads {offer.download / 1e6:.0f} MB once)"


def _views(outcome: Outcome) -> tuple[str, str]:
    return str(outcome.before), str(outcome.after)


def _failure(outcomes: Sequence[Outcome]) -> ToolkitError:
    """Returns the error if no photograph could be restored."""
    if len(outcomes) == 1:
        return ToolkitError(outcomes[0].told, " ".join(outcomes[0].hints))
    return ToolkitError(
        f"None of the {len(outcomes)} photographs could be restored.",
        "; ".join(dict.fromkeys(each.told for each in outcomes[:3])),
    )


def _refused(error: ToolkitError) -> gr.Error:
    """Returns the error as the page shows it, until it is closed."""
    import gradio as gr

    text = "<br>".join(escape(line) for line in error.told.splitlines())
    return gr.Error(text, duration=None, title="Not restored", print_exception=False)


def _report(outcomes: Sequence[Outcome]) -> str:
    """Returns a list in HTML, in which the names of the results lead to their files."""
    rows = []
    for each in outcomes:
        lines = "".join(f"<small>{escape(hint)}</small>" for hint in each.hints)
        if each.result:
            link = f'href="gradio_api/file={quote(str(each.result))}" download'
            told = f"<a {link}>{escape(each.result.name)}</a><span>{escape(each.told)}</span>"
        else:
            told = f'<span class="failed">{escape(each.told)}</span>'
        rows.append(f"<li>{told}{lines}</li>")
    return f"<ul>{''.join(rows)}</ul>"


def _forget(kept: Kept) -> None:
    """Deletes the results of a browser's last start."""
    if kept:
        shutil.rmtree(kept[0], ignore_errors=True)
