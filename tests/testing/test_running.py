"""How checks end: passed, failed, or not given as something is lacking that need not be here."""

import pytest

from toolkit.component import KINDS, Component
from toolkit.discovery import installed
from toolkit.errors import DataError, WeightsError
from toolkit.testing import checks_of
from toolkit.testing.running import examine_all
from toolkit.testing.subject import Subject


def outcomes(error, **more):
    """Examines a dataset whose `build` raises an error; returns its last outcome."""

    def build(_options, _context):
        raise error

    component = Component(kind="dataset", name="rough", summary="A set", build=build, **more)
    *_, last = examine_all(Subject(component, installed(), "my-plugin"))
    assert last.check.name == "contract"
    return last


ABSENT = ModuleNotFoundError("No module named 'lacking_lib'", name="lacking_lib")


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (ABSENT, "failed", "needs lacking_lib, which is not installed"),
        (ValueError("out of order"), "failed", "failed with ValueError: out of order"),
        (DataError("not here", "from https://example.org"), "not checked", "not here"),
        (DataError("not here", "look for it"), "failed", "not here"),
        (WeightsError("cannot be reached"), "not checked", "cannot be reached"),
    ],
)
def test_what_cannot_be_built_is_given_no_further_checks(error, state, told):
    last = outcomes(error, origin="https://example.org")
    assert last.state == state
    assert told in last.message
    assert last.message in str(last)


def test_a_library_of_an_extra_may_be_absent(monkeypatch):
    lines = ["numpy>=1", 'Lacking.Lib>=2 ; extra == "more"']
    monkeypatch.setattr("toolkit.testing.running.requires", lambda _name: lines)
    assert outcomes(ABSENT).state == "not checked"


def test_weights_that_cannot_be_obtained_are_no_fault_but_raise():
    with pytest.raises(WeightsError, match="cannot be reached"):
        outcomes(WeightsError("cannot be reached")).demand()


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_of_a_kind_has_a_function_and_a_name_of_its_own(kind):
    checks = checks_of(Component(kind=kind, name="rough", summary="", build=lambda *_: None))
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.function().__doc__ for check in checks)
