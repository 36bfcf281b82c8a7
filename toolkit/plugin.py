"""The public API for plugins: all that a plugin may import from the toolkit.

Everything else is private and may change without notice. Importing this module loads neither torch
nor diffusers, so a plugin's module can import it at the top.

A plugin states which version of this API it was written for::

    PLUGIN_API = 1

The number rises when something here changes incompatibly. A plugin that works with several versions
names them all, `PLUGIN_API = (1, 2)`; one of a version that is no longer, or not yet, supported is
set aside with a message. A name that is to be removed stays for two minor releases at least, and
warns when it is used.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

from toolkit.abilities import (
    AvoidsTiles,
    Exportable,
    HasFiles,
    HasFingerprint,
    HasForms,
    HasFrozenWeights,
    HasNetworks,
    HasPublishedCount,
    JudgesBoth,
    MatchesColours,
    Recorded,
    Replayable,
    Stepwise,
    Streamed,
    TilesItself,
    Traceable,
    UsesAutocast,
)
from toolkit.component import Component, Context, Kind, Options
from toolkit.errors import (
    CheckpointError,
    DataError,
    ImageError,
    OptionsError,
    ToolkitError,
    UnknownComponentError,
    UsageError,
    WeightsError,
    did_you_mean,
)
from toolkit.hookspecs import PLUGIN_API, hookimpl
from toolkit.interfaces import (
    Backbone,
    Dataset,
    Degradation,
    Discriminator,
    Generator,
    Metric,
    PerceptualLoss,
    Prediction,
    Restorer,
    Sample,
    Tracker,
    Trainable,
)
from toolkit.paths import user_path
from toolkit.specs import Selection
from toolkit.weights import (
    LDM_PREFIXES,
    Checkpoint,
    Mirrors,
    PackageMember,
    WeightFile,
    fill,
    ldm_name,
    read_arrays,
    read_tensors,
)

if TYPE_CHECKING:
    from toolkit.checkpoints import load_tensors
    from toolkit.images import bicubic_resize
    from toolkit.modules import TrainableModule
    from toolkit.streams import stream, torch_stream

_LAZY = {
    "TrainableModule": "toolkit.modules",
    "bicubic_resize": "toolkit.images",
    "load_tensors": "toolkit.checkpoints",
    "stream": "toolkit.streams",
    "torch_stream": "toolkit.streams",
}
"""Names whose modules import torch or NumPy, loaded when they are first asked for."""

__all__ = [
    "LDM_PREFIXES",
    "PLUGIN_API",
    "AvoidsTiles",
    "Backbone",
    "Checkpoint",
    "CheckpointError",
    "Component",
    "Context",
    "DataError",
    "Dataset",
    "Degradation",
    "Discriminator",
    "Exportable",
    "Generator",
    "HasFiles",
    "HasFingerprint",
    "HasForms",
    "HasFrozenWeights",
    "HasNetworks",
    "HasPublishedCount",
    "ImageError",
    "JudgesBoth",
    "Kind",
    "MatchesColours",
    "Metric",
    "Mirrors",
    "Options",
    "OptionsError",
    "PackageMember",
    "PerceptualLoss",
    "Prediction",
    "Recorded",
    "Replayable",
    "Restorer",
    "Sample",
    "Selection",
    "Stepwise",
    "Streamed",
    "TilesItself",
    "ToolkitError",
    "Traceable",
    "Tracker",
    "Trainable",
    "TrainableModule",
    "UnknownComponentError",
    "UsageError",
    "UsesAutocast",
    "WeightFile",
    "WeightsError",
    "bicubic_resize",
    "did_you_mean",
    "fill",
    "hookimpl",
    "ldm_name",
    "load_tensors",
    "read_arrays",
    "read_tensors",
    "stream",
    "torch_stream",
    "user_path",
]


_DEPRECATED: dict[str, str] = {}
"""Names that are to be removed, and what takes their place, also in this module."""


def __getattr__(name: str) -> Any:
    if name in _DEPRECATED:
        successor = _DEPRECATED[name]
        warnings.warn(
            f"toolkit.plugin.{name} will be removed; use toolkit.plugin.{successor}",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(sys.modules[__name__], successor)
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
