"""What users write for many files."""

import pytest

from toolkit.errors import DataError
from toolkit_shards.locations import absolute, beside, braces, expand, on_the_hub


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{0..2}.tar", ["a-0.tar", "a-1.tar", "a-2.tar"]),
        ("{009..011}", ["009", "010", "011"]),
        ("{a,b}/{1..2}", ["a/1", "a/2", "b/1", "b/2"]),
        ("odd{name}.tar", ["odd{name}.tar"]),
        ("{2..1}.tar", []),
    ],
)
def test_braces_are_expanded(text, expanded):
    assert braces(text) == expanded


@pytest.mark.parametrize("text", ["{0..99999999}", "{0..9999}{0..9999}"])
def test_absurd_numbers_of_files_are_refused(text):
    with pytest.raises(DataError, match="means"):
        braces(text)


def test_all_forms_mean_the_same(folder):
    paths = [str(folder / f"data-{i}.tar") for i in range(5)]
    (folder / "list.txt").write_text(
        "\ufeff" + "\n".join(f"data-{i}.tar" for i in range(5)) + "\n\n"
    )
    for form in ("data-{0..4}.tar", "*.tar", "data-?.tar", "", "list.txt"):
        assert expand(str(folder / form), ".tar") == paths
    assert expand(paths[3], ".tar") == paths[3:4]


def test_a_folder_is_searched_with_its_subfolders(folder):
    assert expand(str(folder.parent), ".tar") == expand(str(folder), ".tar")


def test_a_file_may_be_named_like_a_pattern(folder):
    odd = folder / "a[0].tar"
    odd.write_bytes(b"")
    assert expand(str(odd), ".tar") == [str(odd)]


def test_urls_in_braces_are_not_looked_for():
    urls = expand("s3://nowhere/a-{0..1}.tar", ".tar")
    assert urls == ["s3://nowhere/a-0.tar", "s3://nowhere/a-1.tar"]


def test_an_unknown_kind_of_storage_is_a_clear_error():
    with pytest.raises(DataError, match="Protocol not known: nowhere") as found:
        expand("nowhere://a/*.tar", ".tar")
    assert "s3://" in found.value.hint


def test_paths_become_absolute_and_urls_remain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("a-{0..1}.tar") == str(tmp_path / "a-{0..1}.tar")
    assert absolute("file:///a.tar") == "/a.tar"
    assert absolute("gs://bucket/*.tar") == "gs://bucket/*.tar"
    assert beside("/lists", "a.jpg") == "/lists/a.jpg"
    assert beside("/lists", "/b/a.jpg") == "/b/a.jpg"
    assert beside("/lists", "s3://b/a.jpg") == "s3://b/a.jpg"


def test_a_name_on_the_hub_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert on_the_hub("owner/name") == "hf://datasets/owner/name/**/*.parquet"
    (tmp_path / "owner" / "name").mkdir(parents=True)
    for path in ("owner/name", "./owner/name", "name", "s3://owner/name", "a/b/c"):
        assert on_the_hub(path) == path
