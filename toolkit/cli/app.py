"""The commands, in the order in which a newcomer meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from toolkit.cli.bench import bench
from toolkit.cli.data import data
from toolkit.cli.degrade import degrade
from toolkit.cli.evaluate import evaluate
from toolkit.cli.export import export
from toolkit.cli.plugins import plugins
from toolkit.cli.restore import restore
from toolkit.cli.train import train
from toolkit.cli.weights import weights

app = typer.Typer(
    name="toolkit",
    help="Real-world image restoration in one diffusion step, built from plugins.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("restore")(restore)
app.command("degrade")(degrade)
app.command("export")(export)
app.command("eval")(evaluate)
app.command("bench")(bench)
app.add_typer(plugins, name="plugins")
app.add_typer(data, name="data")
app.add_typer(weights, name="weights")


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
        bool, typer.Option("--debug", help="Show the traceback of an error; goes anywhere.")
    ] = False,
) -> None:
    pass
