"""Notes in XMP: what was there stays, what is damaged is left alone."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from odd_parts import XMP

from toolkit.images import Metadata, Note, with_note
from toolkit.images.xmp import with_size

NOTE = Note("toolkit 1.0", "pocket", "sha256:0123", datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC))
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
EVENT = "{http://ns.adobe.com/xap/1.0/sType/ResourceEvent#}"
XAP, MM = "{http://ns.adobe.com/xap/1.0/}", "{http://ns.adobe.com/xap/1.0/mm/}"
HISTORY = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:a="http://ns.adobe.com/xap/1.0/" xmlns:m="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#">
<r:Description r:about="uuid:1" a:CreatorTool="Old" a:Rating="3"/>
<r:Description r:about="uuid:1"><a:CreatorTool>Older</a:CreatorTool><m:History><r:Seq>
<r:li stEvt:action="created"/></r:Seq></m:History></r:Description><!-- mine -->
</r:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


def root_of(packet):
    return ET.fromstring(packet.decode())


def events(packet):
    return root_of(packet).findall(f".//{MM}History/{RDF}Seq/{RDF}li")


@pytest.mark.parametrize("packet", [b"", XMP, HISTORY, b"\xef\xbb\xbf" + XMP + b"\n\0"])
def test_a_note_is_added(packet):
    noted = with_note(Metadata(xmp=packet), NOTE)
    assert noted.lost == ()
    tools = [each.text for each in root_of(noted.xmp).iter(f"{XAP}CreatorTool")]
    assert tools == ["toolkit 1.0"]
    told = {each.tag.removeprefix(EVENT): each.text for each in events(noted.xmp)[-1]}
    assert told == {
        "action": "edited",
        "when": "2026-05-06T07:08:09+00:00",
        "softwareAgent": "toolkit 1.0",
        "parameters": "restored with pocket, weights sha256:0123",
    }


def test_what_was_there_stays():
    noted = with_note(Metadata(xmp=HISTORY), NOTE).xmp
    assert b'a:CreatorTool="Old"' not in noted
    assert [event.get(f"{EVENT}action") for event in events(noted)] == ["created", None]
    assert len(root_of(noted).findall(f".//{MM}History")) == 1
    for part in (b'a:Rating="3"', b'r:about="uuid:1"', b"<!-- mine -->", b"<?xpacket end"):
        assert part in noted
    assert b'dc:format="x"' in with_note(Metadata(xmp=XMP), NOTE).xmp


def test_notes_add_up():
    once = with_note(Metadata(xmp=XMP, exif=b"e", iptc=b"i"), NOTE)
    twice = with_note(once, Note("other 2", "bicubic"))
    assert len(events(twice.xmp)) == 2
    assert [each.text for each in root_of(twice.xmp).iter(f"{XAP}CreatorTool")] == ["other 2"]
    assert (twice.exif, twice.iptc) == (b"e", b"i")


def test_names_are_escaped():
    note = Note("<tool> & 'co' \x00\x0b", '"]]>\ud800')
    noted = with_note(Metadata(), note).xmp
    assert root_of(noted).find(f".//{EVENT}parameters").text == 'restored with "]]>'
    assert root_of(noted).find(f".//{XAP}CreatorTool").text == "<tool> & 'co' "


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + XMP.replace(
    b"</rdf:RDF>", b"<a>&b;</a></rdf:RDF>"
)
OUTER = b'<!DOCTYPE x SYSTEM "file:///x">' + XMP
DEEP = XMP.replace(b"</rdf:RDF>", b"<a>" * 5000 + b"</a>" * 5000 + b"</rdf:RDF>")


@pytest.mark.parametrize(
    "packet",
    [b"<x", b"text", b"<a/>", BOMB, XMP.decode().encode("utf-16"), b"<x>\xe4</x>", XMP + XMP, DEEP,
     OUTER],
    ids=["cut", "text", "other", "bomb", "utf-16", "latin-1", "twice", "deep", "outer"],
)  # fmt: skip
def test_damaged_packets_are_left_alone(packet):
    noted = with_note(Metadata(xmp=packet, lost=("before",)), NOTE)
    assert noted.xmp == packet
    assert noted.lost[0] == "before"
    assert "not recorded" in noted.lost[1]


def test_sizes_follow():
    packet = b"""<x tiff:ImageWidth="7" exif:PixelYDimension = '8' tiff:ImageLength="9">
        <exif:PixelXDimension>10</exif:PixelXDimension><tiff:ImageWidthOther>7</x>"""
    assert with_size(packet, 400, 300) == (
        b"""<x tiff:ImageWidth="400" exif:PixelYDimension = '300' tiff:ImageLength="300">
        <exif:PixelXDimension>400</exif:PixelXDimension><tiff:ImageWidthOther>7</x>"""
    )
