"""Escapes text from data for Markdown, so that a host shows the text literally. Pure.

Names of applications come from request logs and names of resources from a branch. Both can contain HTML, links, mentions
and escape sequences.
"""

from __future__ import annotations

import re

from reconciler.observe.redaction import printable

#: Separates a sign such as @ from the word after it. Hosts look for mentions and references after they render Markdown,
#: so a backslash does not prevent a mention.
_GAP = "\u200b"

_SPECIAL = re.compile(r"[\\`*\[\]|]|(?<![^\W_])_|_(?![^\W_])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_REFERENCE = re.compile(r"([@#!%^~])(?=[\w\"'@])")
_LINK = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=\bwww)(?=\.)|\bmailto:(?=\S)|\bxmpp:(?=\S)")
_BLOCK = re.compile(r"^(?:([#+=-])(?=[\s#+=-]|$)|(\d+)([.)])(?=\s|$))")


def flat(text: str) -> str:
    """One line without control characters."""
    return " ".join(printable(text).split())


def markdown_text(text: str) -> str:
    """One line that renders as exactly this text, without HTML, links, images, mentions, references, emphasis or cells."""
    line = flat(text)
    line = _LINK.sub(lambda found: found.group() + _GAP, line)
    line = _REFERENCE.sub(rf"\1{_GAP}", line)
    line = _SPECIAL.sub(lambda found: "\\" + found.group(), line)
    line = re.sub(r"~", r"\\~", line)
    line = re.sub(r"[&<>]", lambda found: _ENTITIES[found.group()], line)
    return _BLOCK.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", line)


def code(text: str) -> str:
    """One line as a code span."""
    line = flat(text).replace("|", "¦")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if "`" in line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fence(lines: list[str]) -> str:
    """The backticks that open and close a code block around these lines."""
    return "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))


def marker(project: str, stack: str) -> str:
    """The hidden first line that identifies a comment. Names are sanitised, so they cannot end the HTML comment."""
    return f"<!-- tiercast:{re.sub(r'[^A-Za-z0-9_./-]', '?', f'{project}/{stack}')} -->"
