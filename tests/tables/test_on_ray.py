"""Tables on Ray: the figures are those of this machine's processes."""

import pytest

pytest.importorskip("ray", reason="pip install 'restoration-toolkit[ray]'")

from toolkit.discovery import installed
from toolkit.restoring import ray_cluster
from toolkit.tables.measuring import measure
from toolkit.tables.on_ray import run_on_ray, time_steps_on_ray
from toolkit.tables.planning import plan_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray[.]data[.]context"),
]


def test_rows_on_ray(request_of, tmp_path):
    request = request_of()
    [mse, bicubic] = plan_rows(request, request.table.rows[:2], installed())
    measurements = bicubic.measurements
    broken = plan_rows(request, request.table.rows[:1], installed())[0].measurements[1]
    broken.folder.parent.mkdir(parents=True)
    broken.folder.write_text("in the way")
    told = []
    ray_cluster.check_ray()
    with ray_cluster.connected("", cores=1):
        failures = run_on_ray([*measurements, broken], 1, lambda e: told.append(e.stage))
        timed = time_steps_on_ray({"mse": mse.measurements[0].system}, 1)
    assert failures.keys() == {broken}
    assert sorted(told) == ["done", "failed", "queued", "queued"]
    assert timed["mse"] > 0
    ours = [each.result().figures for each in measurements]
    for each in measurements:
        each.result_path.unlink()
        measure(each, installed(), lambda *_: None)
    assert [each.result().figures for each in measurements] == ours
