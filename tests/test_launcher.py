"""What a launcher tells its processes."""

import pytest

from toolkit import launcher

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT",
         "TORCHELASTIC_USE_AGENT_STORE")  # fmt: skip


def told():
    asked = (launcher.rank, launcher.size, launcher.local_rank, launcher.restarts,
             launcher.keeps_store)  # fmt: skip
    return tuple(ask() for ask in asked)


@pytest.mark.parametrize(
    ("values", "wanted"), [(("5", "8", "1", "2", "True"), (5, 8, 1, 2, True)),
                           (("0", "2", "0", "0", "False"), (0, 2, 0, 0, False))]
)  # fmt: skip
def test_it_is_read_from_the_environment(monkeypatch, values, wanted):
    for name, value in zip(NAMES, values, strict=True):
        monkeypatch.setenv(name, value)
    assert told() == wanted


def test_without_a_launcher_there_is_one_process(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    assert told() == (0, 1, 0, 0, False)
