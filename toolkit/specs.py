"""Parses components and options as users write them: `nad`, `nad:sdxl`, `disc.lora_rank=8`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from toolkit.errors import UsageError


class Selection(BaseModel):
    """The name of a component, with options for it.

    In TOML either a string, `disc = "nad:pocket"`, or a table whose `use` is that string and whose
    other keys are options.

    Example:
        >>> Selection.model_validate("nad:pocket")
        Selection(use='nad:pocket', options={})
        >>> Selection.model_validate({"use": "nad", "lora_rank": 8}).options
        {'lora_rank': 8}
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    use: str = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"use": value}
        if isinstance(value, dict) and not isinstance(value.get("options"), dict):
            options = {key: option for key, option in value.items() if key != "use"}
            return {"use": value.get("use", ""), "options": options}
        return value

    def __str__(self) -> str:
        options = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.use} ({options})" if options else self.use

    @property
    def name(self) -> str:
        """The component's name, without a variant."""
        return self.use.partition(":")[0]

    @property
    def variant(self) -> str:
        """The part after the colon; empty if there is none."""
        return self.use.partition(":")[2]

    def over(self, options: Mapping[str, Any]) -> Selection:
        """Returns the same component with some options replaced."""
        return Selection(use=self.use, options={**self.options, **options})

    @model_serializer
    def _write(self) -> str | dict[str, Any]:
        """Returns the string or table that `_read` reads back."""
        return {"use": self.use, **self.options} if self.options else self.use


def parse_override(text: str) -> tuple[list[str], Any]:
    """Splits `slot.option=value`; the value is parsed as TOML, else taken as a string.

    Example:
        >>> parse_override("disc.lora_rank=8")
        (['disc', 'lora_rank'], 8)
        >>> parse_override("data.folder=~/photos")
        (['data', 'folder'], '~/photos')

    Raises:
        UsageError: There is no `=`, or no slot and option before it.
    """
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or len(keys) < 2 or not all(keys):
        raise UsageError(
            f"--set {text}: expected SLOT.OPTION=VALUE.",
            "For example: --set train.lr=1e-4",
        )
    return keys, _toml_or_text(value.strip())


def parse_option(text: str) -> tuple[str, Any]:
    """Splits `option=value`; the value is parsed as TOML, else taken as a string.

    Example:
        >>> parse_option("prompt=an old street")
        ('prompt', 'an old street')

    Raises:
        UsageError: There is no `=`, or no option before it.
    """
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise UsageError(f"--set {text}: expected OPTION=VALUE.", "For example: --set steps=20")
    return name.strip(), _toml_or_text(value.strip())


def _toml_or_text(value: str) -> Any:
    try:
        read = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return value
    return read["value"] if len(read) == 1 else value
