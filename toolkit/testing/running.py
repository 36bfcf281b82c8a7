"""Runs checks, and tells how each ended."""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from typing import Literal

from toolkit.component import Component
from toolkit.discovery import plain_name
from toolkit.errors import DataError, ToolkitError, WeightsError
from toolkit.testing.checks import Check, checks_of
from toolkit.testing.subject import Subject

State = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True)
class Outcome:
    """How a check of a component ended.

    Attributes:
        component: The component.
        distribution: The distribution that supplies it.
        check: The check.
        state: "not checked" if something is lacking that need not be here.
        message: What is wrong or lacking; if it passed, what was measured, if anything.
        seconds: How long it took.
        error: The exception behind it.
    """

    component: Component
    distribution: str
    check: Check
    state: State
    message: str = ""
    seconds: float = 0.0
    error: BaseException | None = None

    def demand(self) -> None:
        """Raises an error if the check failed.

        Raises:
            AssertionError: It failed.
            WeightsError: The component's weights cannot be obtained.
        """
        if self.state == "failed":
            raise AssertionError(str(self)) from self.error
        if isinstance(self.error, WeightsError):
            raise self.error

    def __str__(self) -> str:
        named = f"The {self.component.kind} {self.component.name!r} of {self.distribution}"
        verb = "fails" if self.state == "failed" else "was not given"
        return f"{named} {verb} the check {self.check.name!r}: {self.message}"


def examine(subject: Subject, check: Check) -> Outcome:
    """Runs a check; what it prints goes to stderr."""
    begin = time.monotonic()
    state: State = "passed"
    message, error = "", None
    try:
        with redirect_stdout(sys.stderr):  # stdout is for results
            message = check.function()(subject) or ""
    except Exception as raised:  # noqa: BLE001 - a plugin may raise anything
        error = raised
        lacking = _lacks(subject, raised)
        state = "not checked" if lacking else "failed"
        message = _message(subject, raised)
    seconds = time.monotonic() - begin
    return Outcome(subject.component, subject.distribution, check, state, message, seconds, error)


def examine_all(subject: Subject) -> Iterator[Outcome]:
    """Runs all checks of a component; those that need its object end if it cannot be built."""
    unbuilt: Outcome | None = None
    for check in checks_of(subject.component):
        if unbuilt is None:
            outcome = examine(subject, check)
            if check.name == "contract" and outcome.state != "passed":
                unbuilt = outcome
            yield outcome


def _lacks(subject: Subject, error: Exception) -> bool:
    """Whether an error is about something that need not be here: data, weights, an extra."""
    if isinstance(error, WeightsError):
        return True
    origin = subject.component.origin
    if isinstance(error, DataError) and origin and origin in error.hint:
        return True  # the data cannot be redistributed, and the error says where to obtain them
    cause = error.__cause__
    return isinstance(cause, ModuleNotFoundError) and _in_extra(
        subject.distribution, (cause.name or "").partition(".")[0]
    )


def _in_extra(distribution: str, module: str) -> bool:
    """Whether a distribution declares a library as an optional dependency."""
    try:
        lines = requires(distribution) or []
    except (PackageNotFoundError, ValueError):
        return False
    optional = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" in line}
    return plain_name(module) in {plain_name(each) for each in optional}


def _message(subject: Subject, error: Exception) -> str:
    """Says what is wrong, without naming the component."""
    told = str(error)
    if isinstance(error, AssertionError) and told:
        return told
    if isinstance(error, ToolkitError):
        return told.removeprefix(f"{subject.maker} ")
    where = traceback.extract_tb(error.__traceback__)[-1]
    named = f"{type(error).__name__}: {told}".removesuffix(": ")
    return f"failed with {named} ({where.filename}, line {where.lineno})"
