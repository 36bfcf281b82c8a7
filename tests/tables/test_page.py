"""The page of a table in a real browser, offline: no error, and the slider moves."""

import pytest

from toolkit.discovery import installed
from toolkit.tables.measuring import measure
from toolkit.tables.planning import plan_rows
from toolkit.tables.rendering.page import as_page
from toolkit.tables.summary import quality_table

PROBE = """
  const edge = document.getElementById("edge"), before = edge.style.left;
  const slider = document.getElementById("slider");
  slider.value = 80;
  slider.dispatchEvent(new Event("input"));
  const loaded = [...document.images].every(each => each.complete && each.naturalWidth > 0);
  document.title = [before, edge.style.left, loaded, faults.join()].join("|");
"""


@pytest.mark.slow
def test_it_opens_without_an_error_and_the_slider_moves(request_of, in_browser):
    request = request_of()
    planned = plan_rows(request, request.table.rows[1:2], installed())
    for each in planned[0].measurements:
        measure(each, installed(), lambda *_: None)
    page = as_page(quality_table(request, planned))
    assert in_browser(page, PROBE) == "50%|80%|true|"
