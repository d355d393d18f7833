"""Names come from request logs and branches: reports show them and obey nothing in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.observe.preview import PolicyViolation, Preview, PreviewStep
from reconciler.report.escape import flat, markdown_text
from reconciler.report.html import html
from reconciler.report.markdown import markdown
from reconciler.report.summary import Summary
from reconciler.report.text import plain, terminal
from tests.reconciler.report.test_report import summary

EVIL = [
    '<img src=x onerror="alert(1)">',
    "[click](https://evil.example)",
    "![pixel](https://evil.example/p.png)",
    "https://evil.example and www.evil.example",
    "@team and #12 and !34 and ~label",
    "`code` **bold** __bold__ ~~gone~~ | cell",
    "--> <script>alert(1)</script>",
    "a\x1b[2Jb\x9b31mc\u202egpj.exe\r\n# heading\n/merge\n",
    "```\n</details>\n@team",
    "&lt; &amp; \\",
]


def evil() -> Summary:
    """A preview in which every text that data or a branch can choose is hostile."""
    found = summary()
    text = " ".join(EVIL)
    tiers = tuple(t.model_copy(update={"reason": text, "kinds": {text: 1}}) for t in found.plan.tiers)
    classes = tuple(c.model_copy(update={"name": text}) for c in found.plan.classes)
    plan = found.plan.model_copy(update={"reasons": tuple(EVIL), "tiers": tiers, "classes": classes})
    violations = tuple(PolicyViolation(policy=one, level="mandatory", message=one) for one in EVIL)
    steps = tuple(PreviewStep(urn=f"urn::p::t::{one}", op="create", type=one, keys=(one,)) for one in EVIL)
    return Summary(plan=plan, preview=Preview(steps=steps, violations=violations))


def rendered(text: str) -> list[Any]:
    """All tokens of a Markdown text, nested ones too, as a host would render it."""
    found: list[Any] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        found += [token, *(token.children or ())]
    return found


def test_the_comment_holds_no_html_link_image_or_mention_of_the_data() -> None:
    text = markdown(evil(), project="shop --> @team", artefact="preview.html")
    tokens = rendered(text)
    raw = [t.content.strip() for t in tokens if t.type in ("html_block", "html_inline")]
    assert raw == ["<!-- tiercast:shop?--???team/prod -->", raw[1], "</details>"]
    assert raw[1].startswith("<details><summary>")
    assert {t.type for t in tokens} & {"link_open", "image", "strong_open", "em_open", "s_open"} <= {"strong_open"}
    strong = [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "strong_open"]
    assert set(strong) == {"refused by"}
    shown = "\n".join(t.content for t in tokens if t.type == "text")
    assert "@team" not in shown
    assert "://" not in shown
    assert "www." not in shown
    assert "#12" not in shown
    assert len([t for t in tokens if t.type == "fence"]) == 1
    assert not any(line.startswith("/") for line in text.splitlines())


def test_nothing_in_any_format_moves_a_cursor_or_reverses_text() -> None:
    found = evil()
    for text in (
        markdown(found, project="p", artefact="a"),
        html(found, project="p"),
        plain(terminal(found), width=10_000),
    ):
        assert not {c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"}


def test_the_page_has_no_element_of_the_data() -> None:
    page = html(evil(), project="<b>")
    assert "<img" not in page
    assert "<script" not in page
    assert "<b>&lt;" not in page.replace("<b>&lt;img", "")
    assert "&lt;img src=x" in page


@pytest.mark.parametrize(
    "text",
    [
        "gold's p99 ≤ 200 ms holds",
        "0.02 % expected of 0.1 % allowed in this window (promise 1.0 %)",
        "-5 of 12. August",
        "m7i_large",
    ],
)
def test_plain_sentences_are_written_as_they_are(text: str) -> None:
    assert markdown_text(text) == text


@given(st.text(st.characters(exclude_categories=("Cs",))))
@example("1. a")
@example("# a")
@example("--- a")
@example("__a__ *b* ~~c~~ [d](e) ![f](g) <h> `i` \\")
def test_what_a_host_shows_is_the_text_itself(text: str) -> None:
    for form, tag in ((f"- {markdown_text(text)}\n", "li"), (f"| a |\n| --- |\n| {markdown_text(text)} |\n", "td")):
        tokens = rendered(form)
        allowed = {"text", "text_special", "inline"}
        inner = [t for t in tokens if not t.type.endswith(("_open", "_close"))]
        assert {t.type for t in inner} <= allowed, tag
        words = "".join(t.content for t in inner if t.type != "inline").removeprefix("a" if tag == "td" else "")
        assert words.replace("\u200b", "").strip() == flat(text).replace("\u200b", "").strip()
