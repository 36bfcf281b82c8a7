"""Real-world image restoration in one diffusion step, built from plugins.

Example:
    >>> import toolkit
    >>> [loss.name for loss in toolkit.components("loss")]  # doctest: +SKIP
    ['dists', 'ea-dists', 'lpips', 'mse']
    >>> loss = toolkit.make("loss", "ea-dists")  # doctest: +SKIP
    >>> toolkit.restore("photo.jpg", scale=2).save("photo_x2.png")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.component import Component, Kind
    from toolkit.restoring.loaded import load, restore
    from toolkit.specs import Selection

__all__ = ["components", "load", "make", "restore"]


def __getattr__(name: str) -> Any:
    if name in ("load", "restore"):  # PyTorch, which they need, takes seconds to import
        from toolkit.restoring import loaded

        return getattr(loaded, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def components(kind: Kind | None = None) -> list[Component]:
    """The components of all installed plugins, or those of one kind.

    Warns of plugins that are set aside (`toolkit.errors.PluginWarning`), whose components lack.
    """
    from toolkit.discovery import installed

    return installed().components(kind)


def make(kind: Kind, spec: str | Selection, **options: Any) -> Any:
    """Builds a component: `make("discriminator", "nad:pocket", lora_rank=8)`.

    Warns of plugins that are set aside (`toolkit.errors.PluginWarning`).

    Raises:
        UnknownComponentError: There is no such component.
        OptionsError: An option is unknown, ill-typed or out of range.
        ComponentError: Its `build` failed, or returned an object that does not fit its kind.
        ToolkitError: A library that it needs is not installed; or raised by its `build`.
    """
    from toolkit.component import Context
    from toolkit.discovery import installed

    return Context(installed()).make(kind, spec, **options)
