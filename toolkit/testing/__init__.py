"""The conformance kit: what every component must do, for plugin authors' own tests.

Example:
    >>> import pytest, toolkit
    >>> from toolkit.testing import check_component
    >>> @pytest.mark.parametrize("component", toolkit.components(), ids=lambda c: c.name)
    ... def test_component(component):
    ...     check_component(component)
"""

from toolkit.testing.conformance import check_component

__all__ = ["check_component"]
