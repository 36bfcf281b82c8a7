"""What an error advises to type works: each hint with a command or an option is followed."""

import re
import shlex
import shutil

import pytest

from toolkit.checkpoints import checkpoints


@pytest.fixture
def place(tmp_path, photo_folder, trained, monkeypatch):
    """A folder, with a space in its name, that holds photographs and a run."""
    folder = tmp_path / "my things"
    folder.mkdir()
    shutil.copytree(photo_folder, folder / "photos")
    shutil.copyfile(min(photo_folder.iterdir()), folder / "photo.png")
    shutil.copytree(trained, folder / "my run")
    monkeypatch.chdir(folder)
    return folder


def advised(told):
    """The command that a panel advises, in words."""
    text = re.sub(r" *│\n│ *", "\n", told)
    [command] = re.findall(r"\btoolkit ((?:train|restore|plugins|degrade|weights)\b[^\n│]*)", text)
    return shlex.split(command)


def test_a_run_that_is_there_goes_on(cli, mistake, smallest, place):
    told = mistake("train", *smallest, "--steps", 1, "--out", "my run")
    assert cli(*advised(told)).code == 0


def test_a_folder_without_a_run_gets_one(cli, mistake, smallest, place):
    (place / "no run").mkdir()
    told = mistake("restore", "photo.png", "--with", place / "no run")
    assert cli(*advised(told), *smallest, "--steps", 1).code == 0
    assert cli("restore", "photo.png", "--with", place / "no run").code == 0


def test_a_run_without_a_checkpoint_is_trained(cli, mistake, place):
    for path in checkpoints(place / "my run" / "checkpoints"):
        path.unlink()
    told = mistake("restore", "photo.png", "--with", "my run", code=1)
    assert cli(*advised(told)).code == 0
    assert cli("restore", "photo.png", "--with", "my run").code == 0


def test_other_data_is_accepted(cli, mistake, place):
    shutil.copytree("photos", "others")
    shutil.copyfile("photo.png", "others/new.png")
    more = "--steps", 3, "--data", "others"
    told = mistake("train", "--resume", "--out", "my run", *more)
    assert cli(*advised(told), *more).code == 0


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--disc", "nat"],
        ["plugins", "show", "nat"],
        ["restore", "photo.png", "--with", "bicubik"],
        ["degrade", "photo.png", "--with", "realesrgam"],
    ],
)
def test_names_are_listed(cli, mistake, place, command):
    assert cli(*advised(mistake(*command))).code == 0


def test_an_image_to_degrade_is_named(cli, mistake, place):
    assert cli(*advised(mistake("degrade"))).code == 0


@pytest.mark.parametrize(
    "setting",
    [
        ["--set", "train.crop=33"],
        ["--set", "loss.mse=0"],
        ["--set", "nothing"],
        ["--set", "train.crop=128"],
    ],
)
def test_settings_that_are_advised_are_taken(cli, mistake, smallest, place, setting):
    arguments = "train", *smallest, "--steps", 1
    told = mistake(*arguments, *setting, "--out", "new")
    [option] = re.findall(r"--set ([a-z_.]+=[0-9][0-9e.-]*)", told)[:1]
    kept = [] if setting[1].partition("=")[0] == option.partition("=")[0] else setting[2:]
    assert cli(*arguments, *kept, "--set", option, "--out", "new").code == 0


def test_a_format_that_is_not_written_is_a_folder_once_it_is_made(cli, mistake, place):
    told = mistake("restore", "photo.png", "--with", "bicubic", "--out", "made.xyz")
    [folder] = re.findall(r"mkdir (\S+)", told)
    (place / folder).mkdir()
    assert cli("restore", "photo.png", "--with", "bicubic", "--out", "made.xyz").code == 0


def test_a_folder_is_named_for_many(cli, mistake, place):
    told = mistake("restore", "photos", "--with", "bicubic", "--out", "one.png")
    [option] = re.findall(r"(--out \S+)", told)[-1:]
    assert cli("restore", "photos", "--with", "bicubic", *option.split()).code == 0
