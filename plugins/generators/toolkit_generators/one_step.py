"""The generator `one-step`: the one-step model, as a restorer, and as files for other programs."""

from __future__ import annotations

from pathlib import Path

from toolkit_generators.model import OneStepModel
from toolkit_generators.restorer import FORMS, Form, OneStepRestorer


class OneStep(OneStepModel):
    """The one-step model as a `Generator`; see `OneStepModel` for its arguments."""

    forms = FORMS

    def as_restorer(self, form: Form = "folded") -> OneStepRestorer:
        """Converts the generator to a restorer for images of any size; do not use it afterwards.

        Args:
            form: Optimisations for inference; see `OneStepRestorer`.
        """
        return OneStepRestorer(self, form)

    def export(self, folder: Path, form: str, keys: str, base: str) -> str:
        """Exports the generator; see `toolkit_generators.exporting.export`."""
        from toolkit_generators.exporting import export

        return export(self, folder, form, keys, base)
