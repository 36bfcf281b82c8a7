"""Writes new plugin packages from the templates in `templates/`."""

from toolkit.scaffolding.package import Plan, plan_package, write_package

__all__ = ["Plan", "plan_package", "write_package"]
