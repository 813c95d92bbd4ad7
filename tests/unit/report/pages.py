"""A page as a parser sees it: which elements it has, and whether they fit into each other."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = ("meta", "link", "input", "br", "hr", "img", "path", "rect", "circle", "line")


class Parsed(HTMLParser):
    """Every start tag with its attributes, the text outside scripts, and what did not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.errors: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.errors += [f"<{tag}> stays open" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.errors.append(f"</{tag}> closes {self._open[-3:]} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("script", "style"):
            self.text += data

    def having(self, name: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of every element of this name that has these."""
        return [
            attributes
            for tag, attributes in self.tags
            if tag == name and all(attributes.get(key) == value for key, value in wanted.items())
        ]

    def values(self, attribute: str) -> list[str]:
        """Every value of an attribute, whatever carries it."""
        return [value for _, given in self.tags if (value := given.get(attribute)) is not None]
