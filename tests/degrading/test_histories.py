"""Files of histories: what is taken, and what is refused."""

import json

import pytest

from toolkit.degrading.files import read_histories
from toolkit.errors import UsageError

STEPS = [{"step": "jpeg", "quality": 60}]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (STEPS, [STEPS]),
        ({"history": STEPS}, [STEPS]),
        ([{"history": STEPS}, {"image": "a.png", "history": []}], [STEPS, []]),
    ],
)
def test_histories_in_every_form(tmp_path, content, found):
    (tmp_path / "given.json").write_text(json.dumps(content))
    assert read_histories(tmp_path / "given.json") == found


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", "3", "null", '"x"', "[]", "{}", '[{"a": 1}]', '[{"history": 3}]',
     '[{"history": []}, {"step": "jpeg"}]', '[[{"step": "jpeg"}]]', b"\xff"],
)  # fmt: skip
def test_what_is_no_history_is_refused(tmp_path, content):
    path = tmp_path / "given.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=r"given\.json"):
        read_histories(path)


def test_a_history_file_that_cannot_be_read_is_told(tmp_path):
    for path in (tmp_path / "away.json", tmp_path):
        with pytest.raises(UsageError, match="Cannot read the histories"):
            read_histories(path)
