"""`toolkit plugins`: a file for each of its commands."""

import typer

from toolkit.cli.plugins.check import check
from toolkit.cli.plugins.install import freeze, install
from toolkit.cli.plugins.listing import list_components, show
from toolkit.cli.plugins.new import new

plugins = typer.Typer(help="List, show, write, check and install plugins.", no_args_is_help=True)
plugins.command("list")(list_components)
plugins.command("show")(show)
plugins.command("new")(new)
plugins.command("check")(check)
plugins.command("install")(install)
plugins.command("freeze")(freeze)
