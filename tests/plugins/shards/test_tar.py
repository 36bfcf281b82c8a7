"""Photographs in tar files, whole and damaged."""

import io
import tarfile

import pytest

from toolkit.errors import ImageError
from toolkit_shards import tar as module
from toolkit_shards.tar import TarShard


def opened(content):
    return TarShard("a.tar", io.BytesIO(content))


def names(shard):
    return [shard.read(index)[0] for index in range(len(shard))]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_images_alone_are_read_in_any_order(made, format_):
    members = {
        "a/0.jpg": b"zero", "a/0.json": b"{}", "a/0.txt": b"text", "._1.jpg": b"macOS",
        "a/1.WEBP": b"", "../../2.png": b"two" * 1000, "0/" + "l" * 90 + "/3.jpeg": b"three",
    }  # fmt: skip
    shard = opened(made.tarred(members, format_))
    expected = [name for name in members if name.lower().endswith(("jpg", "webp", "png", "jpeg"))]
    expected.remove("._1.jpg")
    assert names(shard) == expected
    for index in (3, 0, 2, 1, 1):
        assert shard.read(index) == (expected[index], members[expected[index]])
    assert shard.fault == ""


def test_links_folders_and_sparse_files_are_no_photographs(made):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE)
        for kind in kinds:
            member = tarfile.TarInfo(f"{kind!r}.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    assert len(opened(stream.getvalue())) == 0


def test_a_truncated_file_gives_its_whole_members_and_names_the_cut_one(made):
    content = made.tarred({f"{i}.png": made.encoded(i, 64) * 20 for i in range(5)})
    start = content.index(b"3.png")
    shard = opened(content[: start + 1500])
    assert shard.fault == "it is truncated within 3.png"
    assert [shard.read(i)[0] for i in range(3)] == ["0.png", "1.png", "2.png"]
    with pytest.raises(ImageError, match=r"a\.tar: 3\.png cannot be read"):
        shard.read(3)


def test_a_file_without_an_end_may_be_truncated(made):
    content = made.tarred({"0.png": made.encoded(0), "1.png": made.encoded(1)})
    shard = opened(content[: content.index(b"1.png")])
    assert names(shard) == ["0.png"]
    assert shard.fault == "it has no end mark, and may be truncated after 0.png"


def test_members_after_a_damaged_one_are_found(made):
    content = bytearray(made.tarred({f"{i}.png": made.encoded(i) for i in range(6)}))
    start = content.index(b"2.png")
    content[start : start + 700] = b"?" * 700
    shard = opened(bytes(content))
    assert names(shard) == ["0.png", "1.png", "3.png", "4.png", "5.png"]
    assert shard.fault == "it is damaged after 1.png"


def test_a_damaged_end_is_told(made):
    content = made.tarred({"0.png": made.encoded(0)})
    assert opened(content[:-512] + b"x" * 512).fault == "it is damaged after 0.png"


def test_joined_files_and_headers_for_all_members_are_no_fault(made):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", pax_headers={"comment": "a commit"}) as tar:
        tar.addfile(tarfile.TarInfo("0.jpg"))
    shard = opened(stream.getvalue() + made.tarred({"1.jpg": b"one"}))
    assert names(shard) == ["0.jpg", "1.jpg"]
    assert shard.fault == ""


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b" + b"x" * 2000, b"no tar" * 1000])
def test_another_kind_of_file_is_refused(content):
    with pytest.raises(ImageError, match=r"a\.tar is no tar file"):
        opened(content)


def test_an_empty_tar_file_has_no_photographs(made):
    assert len(opened(made.tarred({}))) == 0


def test_a_member_of_absurd_size_is_not_read(made, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10)
    with pytest.raises(ImageError, match=r"a\.tar: 0\.png has 11 bytes"):
        opened(made.tarred({"0.png": b"x" * 11})).read(0)


def test_an_index_takes_eight_bytes_a_photograph(made):
    shard = opened(made.tarred({f"{i}.png": b"" for i in range(100)}))
    assert shard._places.nbytes == 800


def test_of_members_with_the_same_name_the_last_counts(made):
    joined = made.tarred({"0.jpg": b"first", "1.jpg": b"one"}) + made.tarred({"0.jpg": b"last"})
    shard = opened(joined)
    assert [shard.read(index) for index in range(len(shard))] == [
        ("0.jpg", b"last"),
        ("1.jpg", b"one"),
    ]


def test_headers_are_not_kept_while_a_file_is_read(made, monkeypatch):
    kept = []

    class Watched(tarfile.TarFile):
        def next(self):
            kept.append(len(self.members))
            return super().next()

    monkeypatch.setattr(module.tarfile, "TarFile", Watched)
    content = made.tarred({f"{number}.png": b"" for number in range(50)})
    kept.clear()
    assert len(opened(content)) == 50
    assert len(kept) > 50
    assert max(kept) <= 1
