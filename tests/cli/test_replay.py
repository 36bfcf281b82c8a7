"""`toolkit train` at a step that is not finite, and `--replay`, which repeats it."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from toolkit.checkpoints import checkpoints

PARTS = Path(__file__).parents[1] / "training" / "faulty_parts.py"


@pytest.fixture
def diverged(install, cli, smallest, tmp_path, monkeypatch):
    """A run whose second step is not finite, in a folder with a space; returns it and stderr."""
    install(PARTS.read_text())
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my run"
    options = ("--set", "train.checkpoint_every=1", "--set", "train.keep=9", "--loss", "faulty")
    arguments = (*smallest, *options, "--out", "my run", "--steps", 3)
    return folder, lambda above, *more: cli(
        "train", *arguments, "--set", f"loss.faulty.above={above}", *more
    )


@pytest.fixture
def crashed(diverged):
    """A run whose first step is not finite; the folder of the step, and what was told."""
    folder, run = diverged
    result = run(0)
    assert result.code == 1
    return folder, folder / "crash/step-0000001", result


def strict(text):
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def advised(told, start):
    """The command after words in a panel."""
    lines = [line.strip("│ ") for line in told.splitlines()]
    [line] = [line for line in lines if line.startswith(start)]
    return shlex.split(re.search(r"toolkit (train .*)", line)[1])


def files(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes())
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


def test_what_is_told(crashed):
    _, _, result = crashed
    assert result.out == ""
    assert "Traceback" not in result.err
    assert result.err.count("─ Error ─") == 1
    told = " ".join(result.err.replace("│", " ").split())
    assert (
        "Step 1 was not applied, because this is not finite: the loss 'faulty' (nan), from the "
        "loss 'faulty' of faulty-plugin. It computed mse 0.0"
    ) in told
    assert (
        ", faulty nan, generator gradient nan. "
        "Its images and weights are in my run/crash/step-0000001."
    ) in told


def test_a_step_is_repeated_and_nothing_is_written(crashed, cli):
    folder, _, told = crashed
    before = files(folder)
    result = cli(*advised(told.err, "To repeat it"))
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "Step 1:"
    assert lines[1].split() == ["loss", "value", "gradient's", "norm"]
    assert lines[2].split()[0] == "mse"
    assert all(0 < float(number) < 1 for number in lines[2].split()[1:])
    assert lines[3].split() == ["faulty", "nan", "nan"]
    assert lines[4] == "Not finite: the loss 'faulty' (nan)."
    assert lines[5].startswith(
        "PyTorch's anomaly detection: Function 'MulBackward0' returned nan values in its 0th output"
    )
    assert "faulty_plugin.py" in lines[5]
    assert "Repeating the step in my run/crash/step-0000001" in result.err
    assert files(folder) == before


def test_a_step_is_repeated_for_programs(crashed, cli, tmp_path, monkeypatch):
    folder, step, _ = crashed
    monkeypatch.chdir(step)
    before = files(folder)
    result = cli("train", "--replay", ".", "--format", "json", "--set", "train.device=cpu")
    assert result.code == 0, result.err
    found = strict(result.out)
    assert found["step"] == 1
    for of in ("values", "gradients"):
        assert found[of].keys() == {"mse", "faulty"}
        assert found[of]["faulty"] == "nan"
        assert 0 < found[of]["mse"] < 1
    assert found["guilty"] == ["the loss 'faulty' (nan)"]
    assert "MulBackward0" in found["operation"]
    assert found.keys() == {
        "step", "values", "gradients", "guilty", "operation", "figures", "sources",
    }  # fmt: skip
    assert found["sources"] == {"the loss 'faulty' (nan)": "the loss 'faulty' of faulty-plugin"}
    assert files(folder) == before


def test_a_cause_that_is_gone_is_told(crashed, cli):
    folder, step, _ = crashed
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("above = 0", "above = 2"))
    result = cli("train", "--replay", step)
    assert result.code == 0, result.err
    assert "Everything is finite now: the cause was not in the batch or the weights." in result.out
    result = cli("train", "--replay", step, "--set", "loss.faulty.above=0")
    assert "Not finite: the loss 'faulty' (nan)." in result.out


def test_a_folder_without_a_step_is_a_mistake(crashed, mistake, cli):
    folder, step, _ = crashed
    told = mistake("train", "--replay", folder / "checkpoints")
    assert "holds no step to replay" in told
    assert "Name a folder such as RUN/crash/step-0000123" in told
    again = mistake("train", "--replay", folder)
    assert cli(*advised(again, "For example")).code == 0
    shutil.move(step, folder.parent / "away")
    told = mistake("train", "--replay", folder.parent / "away")
    assert "is not in the folder of its run" in told
    assert "Move it back to where it was written: RUN/crash/step-0000001" in told


def test_a_damaged_step_is_told_and_the_run_goes_on(crashed, mistake, cli):
    _, step, _ = crashed
    (step / "batch.safetensors").write_bytes(b"none")
    told = mistake("train", "--replay", step, code=1)
    assert "batch.safetensors is damaged" in told
    command = advised(told, "The step cannot be repeated")
    assert cli(*command, "--set", "train.max_skipped_steps=3").code == 0


def test_the_other_hints_work_too(diverged, cli):
    folder, run = diverged
    result = run(0, "--set", "train.max_skipped_steps=1")
    assert result.code == 1
    assert "step 1/3" in result.err
    assert "  Skipped: Step 1 was not applied, because this is not finite: " in result.err
    assert "Steps skipped before it: 1, as many as may be." in result.err
    slower = advised(result.err, "To train from its last checkpoint")
    sound = ("--set", "loss.faulty.above=2", "--steps", 1)
    done = cli(*slower, *sound)
    assert done.code == 0, done.err
    assert (folder.parent / "my run-2/recipe.toml").is_file()
    skipping = advised(result.err, "To skip such steps, at most 11 of them")
    done = cli(*skipping)
    assert done.code == 0, done.err
    lines = (folder / "logs/train.jsonl").read_text().splitlines()
    assert [strict(line) for line in lines] == [{"step": n, "skipped": 1.0} for n in (1, 2, 3)]
    assert [path.name[5:12] for path in checkpoints(folder / "checkpoints")][-1] == "0000003"


def test_the_page_of_a_run_tells_of_it(crashed, cli):
    folder, _, _ = crashed
    assert cli("show", folder).code == 0
    page = (folder / "run.html").read_text()
    assert "Crashed at step 1" in page
    assert "the loss &#39;faulty&#39; (nan)" in page
    assert "crash/step-0000001" in page
