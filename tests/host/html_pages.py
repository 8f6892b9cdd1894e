"""What every page of ours keeps to: well-formed, fetching and running nothing."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from crossloom.host.report.document import MARKER


class Tags(HTMLParser):
    """Refuses tags that do not close in order; collects texts, elements and attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def check_page(text):
    """Well-formed, and fetching or running nothing."""
    assert text.startswith(MARKER)
    tags = Tags(text)
    assert not {"script", "link", "iframe", "object", "base", "form", "a"} & set(tags.seen)
    for name, value in tags.attributes:
        assert not name.startswith("on") and name not in ("href", "srcset", "action")
        if name == "src":
            assert value.startswith("data:image/png;base64,")
    assert not re.search(r"https?:|url\(|@import|javascript:", text)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(drawing)
    return tags
