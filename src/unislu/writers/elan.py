"""ELAN's annotation file (`.eaf`, format 3.0): the tiers, in milliseconds, and which recording is theirs."""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePath
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from ..result import Analysis
from .tiers import tiers

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
_KIND = "default-lt"
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(analysis: Analysis, audio: str | None = None) -> str:
    """The document; characters that XML cannot hold become U+FFFD.

    `audio`: the recording's URL relative to the document; by default its name, so that it lies beside it.
    """
    # Without a date: the same result gives the same file. ELAN writes its own when it saves.
    document = Xml.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "unislu",
            "DATE": "1970-01-01T00:00:00Z",
            "FORMAT": "3.0",
            "VERSION": "3.0",
            _XSI: _SCHEMA,
        },
    )
    header = Xml.SubElement(document, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if audio is not None or analysis.file:
        _media(header, audio or quote(PurePath(analysis.file or "").name))
    times = Xml.SubElement(document, "TIME_ORDER")
    written = 0
    for tier in tiers(analysis):
        about = {"LINGUISTIC_TYPE_REF": _KIND, "TIER_ID": _text(tier.name)}
        if tier.speaker is not None:
            about["PARTICIPANT"] = _text(tier.speaker)
        element = Xml.SubElement(document, "TIER", about)
        for interval in tier.intervals:
            written += 1
            slots = (f"ts{2 * written - 1}", f"ts{2 * written}")
            for slot, seconds in zip(slots, (interval.start, interval.end), strict=True):
                attributes = {"TIME_SLOT_ID": slot, "TIME_VALUE": str(round(1000 * seconds))}
                Xml.SubElement(times, "TIME_SLOT", attributes)
            about = {"ANNOTATION_ID": f"a{written}", "TIME_SLOT_REF1": slots[0], "TIME_SLOT_REF2": slots[1]}
            holder = Xml.SubElement(Xml.SubElement(element, "ANNOTATION"), "ALIGNABLE_ANNOTATION", about)
            Xml.SubElement(holder, "ANNOTATION_VALUE").text = _text(interval.label)
    last = Xml.Element("PROPERTY", {"NAME": "lastUsedAnnotationId"})
    last.text = str(written)
    header.append(last)
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _KIND, "TIME_ALIGNABLE": "true"}
    Xml.SubElement(document, "LINGUISTIC_TYPE", kind)
    Xml.indent(document, "    ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(document, encoding="unicode") + "\n"


def _media(header: Xml.Element, audio: str) -> None:
    """The recording's URL relative to the document."""
    kind = mimetypes.guess_type(audio)[0] or "audio/x-wav"
    about = {
        "MEDIA_URL": _text(audio),
        "RELATIVE_MEDIA_URL": _text(audio),
        "MIME_TYPE": "audio/x-wav" if kind in ("audio/wav", "audio/vnd.wave") else kind,
    }
    Xml.SubElement(header, "MEDIA_DESCRIPTOR", about)


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
