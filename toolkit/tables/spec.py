"""The form of a table: which components each row combines, and the paper's figures.

Where a key of the TOML file has another name than the attribute, the key is the alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic import Tag as PydanticTag

from toolkit.component import Kind, Options
from toolkit.evaluation.comparison import Direction
from toolkit.evaluation.photographs import Tag
from toolkit.recipe import SLOTS
from toolkit.specs import Selection

SettingName = Literal["paper", "pocket"]
"""The paper's own setting, and the small one, which needs no GPU."""
PAPER: SettingName = "paper"
SMALL: SettingName = "pocket"
ROW_SLOTS: Mapping[str, Kind] = {**SLOTS, "loss": "loss", "restorer": "restorer"}
"""What a row may name, and the kind of each."""


class Row(Options):
    """One line of a table."""

    label: str = Field(min_length=1)
    """The name of the row."""
    recipe: dict[str, Any]
    """Components by slot; `restorer` for a system that is not trained here."""
    small_recipe: dict[str, Any] = Field(default_factory=dict, alias=SMALL)
    """Components in the small setting, where more than the backbones differs."""
    dataset: str = ""
    """The dataset in the paper's setting, if it is not the table's."""
    paper: dict[str, float] = Field(default_factory=dict)
    """The paper's figures, by metric."""
    remark: str = ""
    """A remark on the row, such as why its figures differ from the paper's."""
    tag: Tag | None = None
    """The tag of the paper's figures; a row whose tag is not the table's is refused."""

    @field_validator("recipe")
    @classmethod
    def _names_components(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        if not recipe:
            raise ValueError(f"it names no component; slots: {', '.join(ROW_SLOTS)}")
        return check_slots(recipe)

    @field_validator("small_recipe")
    @classmethod
    def _names_components_too(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        return check_slots(recipe)


class Claim(Options):
    """A statement of the paper that one row is better than another."""

    claim: str
    """The statement in words."""
    better: str
    """The label of the row that is said to be better."""
    than: str
    """The label of the row that it is compared with."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The rows that it is about."""
        return self.better, self.than


class RankClaim(Options):
    """A statement of the paper on the rank of a row, or of the best of several rows."""

    claim: str
    """The statement in words."""
    rank: Annotated[list[str], BeforeValidator(lambda it: [it] if isinstance(it, str) else it)] = (
        Field(min_length=1)
    )
    """The label of the row, or labels of which the best counts."""
    among: list[str] = Field(default_factory=list)
    """Labels of the rows that are ranked; all rows of the table, if empty."""
    at_most: int | None = Field(default=None, ge=1)
    """The last rank at which the statement holds, such as 2 for best or second best."""
    at_least: int | None = Field(default=None, ge=2)
    """The first rank at which the statement holds, such as 2 for not the best."""
    on: Literal["most", "all", "any"] = "most"
    """On how many metrics of all datasets it must hold; most is more than half."""
    metrics: list[str] = Field(default_factory=list)
    """Columns that it is about; all that decide claims, if empty."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The rows that it names."""
        return tuple(dict.fromkeys((*self.rank, *self.among)))

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("it needs either at_most or at_least, such as at_most = 2")
        return self

    def check_rank(self, count: int) -> None:
        """Checks that the claim may fail among as many rows.

        Raises:
            ValueError: It holds whatever is measured, or never.
        """
        last = self.at_most if self.at_most is not None else (self.at_least or 2) - 1
        if last > count - len(self.rank):
            raise ValueError(
                f"the claim {self.claim!r} says nothing, as rank {last + 1} cannot be taken among "
                f"{count} rows"
            )


class CostClaim(Options):
    """A statement of the paper on costs, which are counted, or timed on this machine."""

    claim: str
    """The statement in words."""
    less: str
    """The label of the row that is said to cost less."""
    than: Annotated[list[str], BeforeValidator(lambda it: [it] if isinstance(it, str) else it)] = (
        Field(min_length=1)
    )
    """The label of the row that it is compared with, or of several, all of which cost more."""
    figure: str
    """The figure that is compared, such as `params_m`."""
    with_figure: str = ""
    """The figure of the others, if it is another one."""
    ratio: float = Field(default=1.0, gt=0)
    """The row costs at most this share of what each of the others does."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The rows that it is about."""
        return self.less, *self.than


def _form_of(claim: Any) -> str:
    """The form of a claim, of which a file tells by its keys."""
    if isinstance(claim, CostClaim) or (isinstance(claim, dict) and "less" in claim):
        return "of costs"
    return "of a rank" if isinstance(claim, RankClaim) or "rank" in claim else "of two rows"


AnyClaim = Annotated[
    Annotated[Claim, PydanticTag("of two rows")]
    | Annotated[RankClaim, PydanticTag("of a rank")]
    | Annotated[CostClaim, PydanticTag("of costs")],
    Discriminator(_form_of),
]


class Table(Options):
    """A table of the paper, or one of the same form."""

    number: int | None = None
    """Its number in the paper."""
    title: str
    """The title, which names what is compared."""
    place: str
    """The place in the paper."""
    measures: Literal["complexity", "quality"]
    """The kind of table: `complexity` counts costs, `quality` scores images."""
    how: str = Field(alias="protocol")
    """The way of measuring, in words."""
    tag: Tag = "whole"
    """The part of each photograph that is scored."""
    dataset: str = ""
    """The dataset that is restored in the paper's setting."""
    common: dict[str, Any] = Field(default_factory=dict)
    """Components and options that all trained rows share."""
    directions: dict[str, Direction] = Field(alias="better")
    """The columns of the table, and whether higher or lower figures are better."""
    settings: dict[SettingName, dict[str, Any]] = Field(default_factory=dict, alias="scales")
    """Changes of this table to a setting; see `Setting`."""
    rows: list[Row] = Field(min_length=1)
    """Rows from top to bottom."""
    claims: list[AnyClaim] = Field(default_factory=list)
    """Conclusions of the paper, to be tested here."""

    @field_validator("common")
    @classmethod
    def _names_sections(cls, common: dict[str, Any]) -> dict[str, Any]:
        check_slots({k: v for k, v in common.items() if k not in ("objective", "train")})
        return common

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        seen = set()
        for row in self.rows:
            if (row.label, row.dataset) in seen:
                raise ValueError(f"two rows are called {row.label!r}")
            seen.add((row.label, row.dataset))
            if row.tag not in (None, self.tag):
                raise ValueError(
                    f"row {row.label!r} is scored by the protocol {row.tag}, the table by "
                    f"{self.tag}; such scores do not compare"
                )
            if self.measures == "quality" and not (row.dataset or self.dataset):
                raise ValueError(f"row {row.label!r} says on which dataset it is measured nowhere")
        self._check_claims()
        return self

    def _check_claims(self) -> None:
        """Checks that claims are about rows and columns of the table."""
        labels = {row.label for row in self.rows}
        for each in self.claims:
            if isinstance(each, CostClaim) != (self.measures == "complexity"):
                raise ValueError(
                    f"the claim {each.claim!r} does not suit a table that measures {self.measures}"
                )
            for label in each.labels:
                if label not in labels:
                    raise ValueError(f"the claim {each.claim!r} names a row {label!r} there is not")
            if isinstance(each, RankClaim):
                each.check_rank(len(each.labels if each.among else labels))
                known = self._columns()
                for name in each.metrics:
                    if name not in known:
                        raise ValueError(
                            f"the claim {each.claim!r} names a column {name!r} there is not; "
                            f"columns: {', '.join(known)}"
                        )

    def _columns(self) -> list[str]:
        """The table's own columns, and those of its scales."""
        more = [
            name
            for setting in self.settings.values()
            for key in ("columns", "beside")
            for name in setting.get(key, [])
        ]
        return list(dict.fromkeys((*self.directions, *more)))


def check_slots(recipe: dict[str, Any]) -> dict[str, Any]:
    """Checks that a recipe names a component in each slot, and returns it.

    Raises:
        ValueError: A slot is unknown, or its value names no component.
    """
    for slot, spec in recipe.items():
        if slot not in ROW_SLOTS:
            raise ValueError(f"there is no slot {slot!r}; slots: {', '.join(ROW_SLOTS)}")
        try:
            Selection.model_validate(spec)
        except ValidationError:
            raise ValueError(f"{slot} = {spec!r} names no component") from None
    return recipe
