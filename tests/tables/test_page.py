"""The page of a table in a real browser, offline: no error, and the slider moves."""

import re
import shutil
import subprocess

import pytest

from toolkit.discovery import installed
from toolkit.tables.measuring import measure
from toolkit.tables.planning import plan_rows
from toolkit.tables.rendering.page import as_page
from toolkit.tables.summary import quality_table

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
PROBE = """<script>
window.addEventListener("load", () => {
  const edge = document.getElementById("edge"), before = edge.style.left;
  const slider = document.getElementById("slider");
  slider.value = 80;
  slider.dispatchEvent(new Event("input"));
  const loaded = [...document.images].every(each => each.complete && each.naturalWidth > 0);
  document.title = [before, edge.style.left, loaded, faults.join()].join("|");
});
</script>"""
LISTEN = "<script>const faults = []; onerror = message => { faults.push(message) };</script>"


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER, reason="there is no Chromium here")
def test_it_opens_without_an_error_and_the_slider_moves(request_of, tmp_path):
    request = request_of()
    planned = plan_rows(request, request.table.rows[1:2], installed())
    for each in planned[0].measurements:
        measure(each, installed(), lambda *_: None)
    page = as_page(quality_table(request, planned))
    path = tmp_path / "page.html"
    path.write_text(
        page.replace("<head>", f"<head>{LISTEN}", 1).replace("</body>", f"{PROBE}</body>")
    )
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert re.search(r"<title>(.*?)</title>", done.stdout)[1] == "50%|80%|true|"
