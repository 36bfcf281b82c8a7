"""Conformance checks for components, for the tests of plugins.

Example:
    >>> import pytest
    >>> from toolkit.testing import check_component, components_of
    >>> OURS = components_of("restoration-toolkit-losses")  # your distribution
    >>> @pytest.mark.parametrize("component", OURS, ids=lambda c: c.name)
    ... def test_component(component):
    ...     check_component(component)
"""

from toolkit.testing.conformance import check_component
from toolkit.testing.distributions import components_of

__all__ = ["check_component", "components_of"]
