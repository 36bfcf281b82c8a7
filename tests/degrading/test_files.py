"""Files degraded in a row: where results go, what is told, and what happens when one fails."""

import json
from pathlib import Path

import pytest
import torch

import toolkit
from toolkit.degrading.files import Photo, degrade_files, plan_photos, read_histories
from toolkit.errors import DataError, ImageError, UsageError
from toolkit.images import read_rgb


@pytest.fixture(scope="module")
def noise():
    return toolkit.make("degradation", "bicubic+noise")


def below(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def names(photos):
    return [photo.name.as_posix() for photo in photos]


def histories(out):
    return json.loads((out / "histories.json").read_text())


def test_files_and_folders_are_found_with_their_names(put, tmp_path, plan):
    single = put("a.b.jpg")
    for name in ("in/c.png", "in/deep/c.webp", "in/.hidden/d.png"):
        put(name)
    (tmp_path / "in/notes.txt").touch()
    photos = plan([single, tmp_path / "in"])
    assert names(photos) == ["a.b", "c", "deep/c"]
    assert photos[2].source == tmp_path / "in/deep/c.webp"


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (["a.png", "in/a.jpg"], {"a.png", "a.jpg"}),
        (["in/a.png", "in/a.jpg", "in/c.png"], {"a.png", "a.jpg", "c"}),
        (["in/b/a.png", "in/b/a.webp"], {"b/a.png", "b/a.webp"}),
    ],
)
def test_names_that_differ_by_their_suffix_alone_keep_it(put, tmp_path, written, names, plan):
    sources = dict.fromkeys(
        tmp_path / "in" if name.startswith("in/") else put(name) for name in written
    )
    for name in written:
        put(name)
    assert {photo.name.as_posix() for photo in plan(list(sources))} == names


@pytest.mark.parametrize("written", [["a.png", "in/a.png"], ["in/a.png", "other/a.png"]])
def test_names_that_clash_are_refused(put, tmp_path, written, plan):
    put("unrelated.png")
    sources = [put(name).parent if "/" in name else put(name) for name in written]
    with pytest.raises(UsageError, match="would both be written as") as told:
        plan(sources)
    assert all(str(tmp_path / name) in str(told.value) for name in written)
    assert "--out" in told.value.hint


def test_a_file_named_twice_is_refused(put, plan):
    photo = put("a.png")
    with pytest.raises(UsageError, match=r"a\.png and .*a\.png"):
        plan([photo, photo])


def test_what_holds_nothing_is_refused(tmp_path, plan):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").touch()
    with pytest.raises(DataError, match="empty contains no image") as told:
        plan([tmp_path / "empty"])
    assert "PNG" in told.value.hint
    with pytest.raises(DataError, match=r"away\.png does not exist"):
        plan([tmp_path / "away.png"])


def test_several_variants_have_numbers_and_sheets(put, tmp_path, noise, plan):
    put("in/a.png")
    put("in/deep/b.png")
    told = []
    results = degrade_files(
        noise, plan([tmp_path / "in"]), tmp_path / "out", seed=3, first=10, variants=2,
        on_photo=lambda photo, place: told.append((photo.name.name, place)),
    )  # fmt: skip
    assert told == [("a", 0), ("b", 1)]
    assert below(tmp_path / "out") == [
        "histories.json", "lr/a_10.png", "lr/a_11.png", "lr/deep/b_12.png", "lr/deep/b_13.png",
        "sheets/a.png", "sheets/deep/b.png",
    ]  # fmt: skip
    assert [[each.index for each in result.variants] for result in results] == [[10, 11], [12, 13]]
    assert results[1].sheet == tmp_path / "out/sheets/deep/b.png"
    assert [(entry["lr"], entry["seed"], entry["index"]) for entry in histories(tmp_path / "out")][
        ::3
    ] == [("lr/a_10.png", 3, 10), ("lr/deep/b_13.png", 3, 13)]
    for entry in histories(tmp_path / "out"):
        assert entry["history"] == noise.describe(3, entry["index"])
        hr = read_rgb(entry["image"])
        lr = read_rgb(tmp_path / "out" / entry["lr"])
        assert torch.equal(lr, noise.batch(hr[None], 3, [entry["index"]])[0])


def test_a_single_variant_has_neither_number_nor_sheet(put, tmp_path, noise, plan):
    results = degrade_files(noise, plan([put("a.b.png")]), tmp_path / "out")
    assert below(tmp_path / "out") == ["histories.json", "lr/a.b.png"]
    assert results[0].sheet is None
    assert results[0].hr_size == (24, 16)
    assert results[0].notes == ()
    assert results[0].error is None


def test_the_same_sample_is_the_same_file_whatever_is_beside_it(put, tmp_path, noise, plan):
    photos = plan([put("a.png", 24), put("b.png", 40)])
    degrade_files(noise, photos, tmp_path / "both", variants=3)
    degrade_files(noise, photos[1:], tmp_path / "one", first=4)
    both, one = tmp_path / "both/lr/b_4.png", tmp_path / "one/lr/b.png"
    assert both.read_bytes() == one.read_bytes()


def test_a_broken_image_stops_no_other_and_takes_no_number_away(put, tmp_path, noise, plan):
    photos = plan([put("a.png"), put("b.png"), put("c.png")])
    degrade_files(noise, photos, tmp_path / "good")
    photos[1].source.write_bytes(photos[1].source.read_bytes()[:60])
    first, broken, last = degrade_files(noise, photos, tmp_path / "out")
    assert isinstance(broken.error, ImageError)
    assert "b.png" in str(broken.error)
    assert (broken.hr_size, broken.variants, broken.sheet) == (None, (), None)
    assert first.error is last.error is None
    assert below(tmp_path / "out") == ["histories.json", "lr/a.png", "lr/c.png"]
    assert [entry["index"] for entry in histories(tmp_path / "out")] == [0, 2]
    made, good = tmp_path / "out/lr/c.png", tmp_path / "good/lr/c.png"
    assert made.read_bytes() == good.read_bytes()


def test_a_degradation_that_fails_on_one_image_goes_on(put, tmp_path, plain, plan):
    class Fussy(type(plain)):
        def __call__(self, hr, rng):
            if hr.shape[2] > 30:
                raise MemoryError("too wide")
            return super().__call__(hr, rng)

    photos = plan([put("a.png", 40), put("b.png", 20)])
    wide, narrow = degrade_files(Fussy(), photos, tmp_path / "out")
    assert str(wide.error) == "too wide"
    assert wide.hr_size == (40, 16)
    assert narrow.error is None


@pytest.mark.parametrize(
    ("width", "height", "kept"), [(27, 18, "24x16"), (4, 7, "4x4"), (24, 19, "24x16")]
)
def test_odd_sizes_are_cut_and_that_is_told(put, tmp_path, noise, width, height, kept, plan):
    photos = plan([put("a.png", width, height)])
    [result] = degrade_files(noise, photos, tmp_path / "out", variants=2)
    assert result.notes == (f"cropped to {kept}, multiples of 4",)
    assert "{}x{}".format(*result.hr_size) == kept
    lr = read_rgb(result.variants[0].file)
    assert (4 * lr.shape[2], 4 * lr.shape[1]) == result.hr_size


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (3, 50), (50, 1)])
def test_images_below_one_lr_pixel_are_told(put, tmp_path, noise, width, height, plan):
    [result] = degrade_files(
        noise,
        plan([put("a.png", width, height)]),
        tmp_path / "out",
        variants=2,
    )
    assert isinstance(result.error, DataError)
    assert f"a.png has {width}x{height} pixels, less than one LR pixel" in str(result.error)
    assert "4x4" in result.error.hint
    assert below(tmp_path / "out") == []


@pytest.mark.parametrize("name", ["realesrgan", "bsrgan", "jpeg"])
def test_a_history_applied_again_gives_the_same_bytes(put, tmp_path, name, plan):
    degradation, photos = (
        toolkit.make("degradation", name),
        plan([put("a.png", 40, 40)]),
    )
    degrade_files(degradation, photos, tmp_path / "drawn", variants=3)
    given = read_histories(tmp_path / "drawn/histories.json")
    [result] = degrade_files(degradation, photos, tmp_path / "again", variants=given)
    for place, variant in enumerate(result.variants):
        drawn = tmp_path / f"drawn/lr/a_{place}.png"
        assert variant.index is None
        assert variant.file == tmp_path / f"again/lr/a_{place}.png"
        assert variant.file.read_bytes() == drawn.read_bytes()
    again = histories(tmp_path / "again")
    assert [entry["index"] for entry in again] == [None] * 3
    assert [entry["history"] for entry in again] == given


def test_an_edited_history_gives_another_image(put, tmp_path, noise, plan):
    photos = plan([put("a.png")])
    degrade_files(noise, photos, tmp_path / "drawn")
    entries = histories(tmp_path / "drawn")
    entries[0]["history"][1]["sigma"] = 0.0
    (tmp_path / "mine.json").write_text(json.dumps(entries))
    given = read_histories(tmp_path / "mine.json")
    degrade_files(noise, photos, tmp_path / "edited", variants=given)
    edited, drawn = (read_rgb(tmp_path / name / "lr/a.png") for name in ("edited", "drawn"))
    assert not torch.equal(edited, drawn)
    without = toolkit.make("degradation", "bicubic").apply(read_rgb(photos[0].source), given[0][:1])
    assert torch.equal(edited, without)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"sigma": 1000}, "sigma"),
        ({"sigma": "much"}, "sigma"),
        ({"sigma": None}, "sigma"),
        ({"colour": 1}, "colour"),
        ({"step": "smudge"}, "smudge"),
    ],
)
def test_an_impossible_edit_is_told_for_each_image(put, tmp_path, noise, edit, told, plan):
    history = noise.describe(0, 0)
    history[1] |= edit
    photos = plan([put("a.png"), put("b.png")])
    results = degrade_files(noise, photos, tmp_path / "out", variants=[history])
    for result in results:
        assert isinstance(result.error, DataError)
        assert "invalid history" in str(result.error)
        assert told in str(result.error)
    assert below(tmp_path) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ([{"step": "clip"}], "the history ends at 24x16 pixels, but the LR image must have 6x4"),
        ([], "the history ends at 24x16 pixels"),
        ([1], "invalid history: step 0"),
    ],
)
def test_a_history_that_makes_no_lr_is_told(put, tmp_path, noise, history, told, plan):
    photos = plan([put("a.png")])
    [result] = degrade_files(noise, photos, tmp_path / "out", variants=[history])
    assert told in str(result.error)


STEPS = [{"step": "jpeg", "quality": 60}]


def test_a_degradation_that_cannot_tell_writes_no_histories(put, tmp_path, plain, plan):
    photos = plan([put("a.png")])
    [result] = degrade_files(plain, photos, tmp_path / "out", variants=2)
    assert below(tmp_path / "out") == ["lr/a_0.png", "lr/a_1.png", "sheets/a.png"]
    assert [each.history for each in result.variants] == [None, None]
    [result] = degrade_files(plain, photos, tmp_path / "other", variants=[STEPS])
    assert isinstance(result.error, UsageError)
    assert "cannot apply a history" in str(result.error)
    assert "--with realesrgan" in result.error.hint


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_told_before_any_work(tmp_path, noise, out):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Cannot create the folder") as caught:
        degrade_files(noise, [Photo(tmp_path / "away.png", Path("a"))], tmp_path / out)
    assert "--out" in caught.value.hint


def test_a_place_that_is_taken_by_a_folder_is_told(put, tmp_path, noise):
    (tmp_path / "held/lr/a.png").mkdir(parents=True)
    [result] = degrade_files(noise, [Photo(put("b.png"), Path("a"))], tmp_path / "held")
    assert str(tmp_path / "held") in str(result.error)
    assert result.error.hint
    assert result.variants == ()


def test_results_are_no_inputs_and_no_input_is_overwritten(put, tmp_path, noise):
    put("in/a.png")
    inside = tmp_path / "in" / "out"
    degrade_files(noise, plan_photos([tmp_path / "in"], inside), inside, variants=2)
    again = plan_photos([tmp_path / "in"], inside)
    assert [photo.name.name for photo in again] == ["a"]
    for source in (inside / "lr", inside / "lr" / "a_0.png"):
        with pytest.raises(UsageError, match="is in an output folder") as caught:
            plan_photos([source], inside)
        assert "--out" in caught.value.hint
