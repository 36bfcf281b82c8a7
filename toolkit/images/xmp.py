"""XMP packets: orientation, size, and a note on what was done to the image."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from xml.dom import minidom
from xml.parsers.expat import ExpatError

if TYPE_CHECKING:
    from xml.dom.minidom import Document, Element

    from toolkit.images.picture import Metadata

_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[2-8]""")
_WIDTH = re.compile(
    rb"""((?:tiff:ImageWidth|exif:PixelXDimension)\s*(?:=\s*["']|>)\s*)\d+"""
)  # fmt: skip
_HEIGHT = re.compile(
    rb"""((?:tiff:ImageLength|exif:PixelYDimension)\s*(?:=\s*["']|>)\s*)\d+"""
)  # fmt: skip
_NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}
_XMLNS = "http://www.w3.org/2000/xmlns/"
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_NAMESPACES["rdf"]}"/></x:xmpmeta><?xpacket end="w"?>'
)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Note:
    """What was done to an image.

    Attributes:
        software: Name and version of the program.
        restorer: Name of the restorer.
        weights: Fingerprint of its weights; empty if it has none.
        when: Time with a time zone.
        action: One of XMP's words for what was done.
    """

    software: str
    restorer: str
    weights: str = ""
    when: datetime | None = None
    action: str = "edited"

    @property
    def parameters(self) -> str:
        """Restorer and weights as text."""
        weights = f", weights {self.weights}" if self.weights else ""
        return f"restored with {self.restorer}{weights}"


def upright(xmp: bytes) -> bytes:
    """Sets the orientation to 1 if the packet has one."""
    return _ORIENTATION.sub(rb"\g<1>1", xmp)


def with_size(xmp: bytes, width: int, height: int) -> bytes:
    """Sets the image's size, in pixels, where the packet tells it."""
    return _HEIGHT.sub(rb"\g<1>%d" % height, _WIDTH.sub(rb"\g<1>%d" % width, xmp))


def with_note(metadata: Metadata, note: Note) -> Metadata:
    """Adds to the XMP packet what was done: `xmp:CreatorTool`, and an entry in `xmpMM:History`.

    The rest of the packet is preserved. A damaged packet is left as it is, which is noted in
    `lost`.
    """
    try:
        packet = _noted(metadata.xmp or _EMPTY.encode(), note)
    except (ExpatError, ValueError, RecursionError):
        told = "the restoration was not recorded in XMP, as its data are damaged"
        return replace(metadata, lost=(*metadata.lost, told))
    return replace(metadata, xmp=packet)


def _noted(packet: bytes, note: Note) -> bytes:
    """Adds a note to a packet.

    Raises:
        ExpatError, ValueError, RecursionError: It is no XML in UTF-8, no XMP, or declares a
            document type. Without that there are no entities, so that nothing can expand.
    """
    packet = packet.strip(b"\0 \t\r\n").removeprefix(b"\xef\xbb\xbf")
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet or b"\0" in packet:
        raise ValueError("a document type, or not in UTF-8")
    document = minidom.parseString(packet.decode())  # noqa: S318
    roots = document.getElementsByTagNameNS(_NAMESPACES["rdf"], "RDF")
    if not roots:
        raise ValueError("no XMP")
    _set_property(document, roots[0], "CreatorTool", note.software)
    _sequence(document, roots[0]).appendChild(_event(document, note))
    return "".join(node.toxml() for node in document.childNodes).encode()


def _properties(root: Element, prefix: str, name: str) -> list[tuple[Element, Element | None]]:
    """Returns where a property is: descriptions with an attribute, or with an element."""
    space = _NAMESPACES[prefix]
    found: list[tuple[Element, Element | None]] = []
    for description in _children(root, "rdf", "Description"):
        if description.hasAttributeNS(space, name):
            found.append((description, None))
        found += [(description, element) for element in _children(description, prefix, name)]
    return found


def _children(parent: Element, prefix: str, name: str) -> list[Element]:
    return [
        node
        for node in parent.childNodes
        if node.nodeType == node.ELEMENT_NODE
        and (node.namespaceURI, node.localName) == (_NAMESPACES[prefix], name)
    ]


def _set_property(document: Document, root: Element, name: str, value: str) -> None:
    """Sets a simple property of the namespace `xmp`, replacing any earlier value."""
    for description, element in _properties(root, "xmp", name):
        if element is None:
            description.removeAttributeNS(_NAMESPACES["xmp"], name)
        else:
            description.removeChild(element)
    element = _element(document, "xmp", name)
    element.appendChild(document.createTextNode(_NOT_XML.sub("", value)))
    _description(document, root).appendChild(element)


def _sequence(document: Document, root: Element) -> Element:
    """Returns the list of the history's entries, which is made if there is none."""
    for _, history in _properties(root, "xmpMM", "History"):
        for sequence in _children(history, "rdf", "Seq") if history else []:
            return sequence
    for description, history in _properties(root, "xmpMM", "History"):  # of another form
        if history is not None:
            description.removeChild(history)
    history = _element(document, "xmpMM", "History")
    sequence = history.appendChild(_element(document, "rdf", "Seq"))
    _description(document, root).appendChild(history)
    return sequence


def _event(document: Document, note: Note) -> Element:
    entry = _element(document, "rdf", "li")
    entry.setAttributeNS(_NAMESPACES["rdf"], "rdf:parseType", "Resource")
    fields = {
        "action": note.action,
        "when": "" if note.when is None else note.when.isoformat(timespec="seconds"),
        "softwareAgent": note.software,
        "parameters": note.parameters,
    }
    for name, value in fields.items():
        if value:
            element = entry.appendChild(_element(document, "stEvt", name))
            element.appendChild(document.createTextNode(_NOT_XML.sub("", value)))
    return entry


def _description(document: Document, root: Element) -> Element:
    """Returns the first description, which is made if there is none."""
    existing = _children(root, "rdf", "Description")
    if existing:
        return existing[0]
    description = _element(document, "rdf", "Description")
    description.setAttributeNS(_NAMESPACES["rdf"], "rdf:about", "")
    root.appendChild(description)
    return description


def _element(document: Document, prefix: str, name: str) -> Element:
    """Makes an element which declares its own prefix, whatever the packet uses it for."""
    element = document.createElementNS(_NAMESPACES[prefix], f"{prefix}:{name}")
    element.setAttributeNS(_XMLNS, f"xmlns:{prefix}", _NAMESPACES[prefix])
    return element
