"""The index of a folder of results."""

import json
import re
import shutil
from pathlib import Path

from toolkit.tables.rendering.index import write_index

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_tables_and_figures_are_linked_and_other_files_left_out(tmp_path):
    for name in ("table6", "table5", "ablation"):
        for suffix in (".json", ".html"):
            shutil.copy(RESULTS / f"{name}{suffix}", tmp_path)
    (tmp_path / "speed.json").write_text('{"seconds": 1}')
    (tmp_path / "torn.json").write_text('{"table": 1')
    lacking = [{"label": "swinir", "needs": "Its weights."}]
    figure = {"figure": "figure8", "title": "Losses <b>", "needs": lacking}
    (tmp_path / "figure8.json").write_text(json.dumps(figure))
    (tmp_path / "figure8.png").write_bytes(b"PNG")
    (tmp_path / "figure9.json").write_text(json.dumps(figure))  # without its picture
    page = write_index(tmp_path).read_text()
    links = re.findall(r'href="([^"#]+)"', page)
    assert [link for link in links if not link.startswith("data:")] == [
        "ablation.html", "ablation.json", "table5.html", "table5.json", "table6.html",
        "table6.json", "figure8.png", "figure8.json",
    ]  # fmt: skip
    assert all((tmp_path / link).is_file() for link in links if not link.startswith("data:"))
    assert "Table 6: Discriminators" in page
    assert re.search(r"Claims: \d \w+", page)
    assert "Figure 8: Losses &lt;b&gt;" in page
    assert "Without swinir, which could not be made here." in page
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_an_empty_folder(tmp_path):
    assert "no results in this folder yet" in write_index(tmp_path).read_text()
