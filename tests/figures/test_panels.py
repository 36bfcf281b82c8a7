"""Which photographs and crops are shown, and how they are scored."""

import pytest
import torch

from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.figures.comparison import compare
from toolkit.figures.crops import Crop
from toolkit.figures.document import as_document, write_figure
from toolkit.figures.panels import photographs_of, scores_of
from toolkit.figures.systems import Asked


def _asked(tmp_path, **more):
    return Asked("pocket", tmp_path, **more)


def test_the_photograph_in_which_systems_differ_most_comes_first(systems, tmp_path, photo_folder):
    names = sorted(path.stem for path in photo_folder.glob("*.png"))
    shown = photographs_of(systems, _asked(tmp_path))
    assert [each.name for each in shown] == [names[1], names[0]]
    assert list(shown[0].images) == ["LR", "one", "two", "HR"]


def test_a_named_photograph_and_crop_are_shown(systems, tmp_path, photo_folder):
    name = max(path.stem for path in photo_folder.glob("*.png"))
    [shown] = photographs_of(systems, _asked(tmp_path, image=(name,), crop="64,48,32"))
    assert (shown.name, shown.crop) == (name, Crop(64, 48, 32))


def test_an_unknown_photograph_is_named_with_those_that_there_are(systems, tmp_path, photo_folder):
    name = min(path.stem for path in photo_folder.glob("*.png"))
    with pytest.raises(UsageError, match=f"There is no photograph '{name}x'") as caught:
        photographs_of(systems, _asked(tmp_path, image=(f"{name}x",)))
    assert name in caught.value.hint


def test_a_crop_outside_is_refused(systems, tmp_path):
    with pytest.raises(UsageError, match="lies outside"):
        photographs_of(systems, _asked(tmp_path, crop="90,0,16"))


def test_scores_are_of_the_whole_and_of_the_crop(systems, tmp_path, photo_folder):
    name = sorted(path.stem for path in photo_folder.glob("*.png"))[1]
    [shown] = photographs_of(systems, _asked(tmp_path, image=(name,), crop="0,0,32"))
    scores = scores_of(shown, installed())
    one, two = (scores[label]["psnr"] for label in ("one", "two"))
    assert one["crop"] == two["crop"]  # they differ elsewhere
    assert one["photograph"] > two["photograph"]


def test_the_same_figure_is_the_same_bytes(systems, tmp_path):
    files = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        shown = photographs_of(systems, _asked(tmp_path))
        figure = compare("figure5", "Title", shown, installed(), {"scale": "pocket"})
        files.append(write_figure(figure, folder))
    assert [path.suffix for path in files[0]] == [".png", ".svg", ".pdf", ".json"]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_the_data_names_files_crops_and_needs(systems, tmp_path):
    shown = photographs_of(systems, _asked(tmp_path))
    made = compare("figure5", "Title", shown, installed(), {}, [("osediff", "Weights")])
    document = as_document(made)
    assert document["needs"] == [{"label": "osediff", "needs": "Weights"}]
    [first, _] = document["photographs"]
    assert set(first["sha256"]) == {"LR", "HR", "one", "two"}
    assert all(len(digest) == 64 for digest in first["sha256"].values())
    assert first["crop"]["side"] == 80


def test_lr_is_enlarged_without_new_pixels(systems, tmp_path):
    shown = photographs_of(systems, _asked(tmp_path))[0]
    assert torch.equal(shown.lr[:, ::4, ::4].unique(), shown.lr.unique())
    assert shown.lr.shape == shown.results["one"].shape
