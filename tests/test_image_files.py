"""Finding images."""

from toolkit.image_files import find_images


def test_find_images(tmp_path):
    for name in ("b.PNG", "a/z.jpg", "a/y.tiff", ".hidden.png", ".cache/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == ["a/y.tiff", "a/z.jpg", "b.PNG"]
