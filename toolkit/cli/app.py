"""The commands, in the order of `toolkit --help`."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from toolkit.cli.bench import bench
from toolkit.cli.data import data
from toolkit.cli.degrade import degrade
from toolkit.cli.evaluate import evaluate
from toolkit.cli.export import export
from toolkit.cli.figure import figure
from toolkit.cli.plugins import plugins
from toolkit.cli.restore import restore
from toolkit.cli.show import show
from toolkit.cli.train import train
from toolkit.cli.ui import ui
from toolkit.cli.weights import weights


class _Commands(TyperGroup):
    """Leaves `--show-completion`, which few need, out of the help text."""

    def get_params(self, ctx: Any) -> list[Any]:
        parameters = super().get_params(ctx)
        for each in parameters:
            if isinstance(each, TyperOption) and each.name == "show_completion":
                each.hidden = True
        return parameters


app = typer.Typer(
    name="toolkit",
    cls=_Commands,
    help="Real-world image restoration in one diffusion step, built from plugins.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("show")(show)
app.command("restore")(restore)
app.command("ui")(ui)
app.command("degrade")(degrade)
app.command("export")(export)
app.command("eval")(evaluate)
app.command("bench")(bench)
app.command("figure")(figure)
app.add_typer(plugins, name="plugins")
app.add_typer(data, name="data")
app.add_typer(weights, name="weights")


def _reflow(app: typer.Typer) -> None:
    """Joins the lines of each help text's paragraphs, so that the terminal's width breaks them."""
    for command in app.registered_commands:
        paragraphs = inspect.cleandoc(command.callback.__doc__ or "").split("\n\n")
        command.help = "\n\n".join(
            text if "\n  " in text or text.startswith(" ") else " ".join(text.split("\n"))
            for text in paragraphs
        )
    for group in app.registered_groups:
        if group.typer_instance:
            _reflow(group.typer_instance)


_reflow(app)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(version("restoration-toolkit"))
        raise typer.Exit


@app.callback()
def _toolkit(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error. Allowed anywhere.")
    ] = False,
) -> None:
    pass
