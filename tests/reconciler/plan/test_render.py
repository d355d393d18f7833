"""The renderer writes only our keys: everything else keeps its bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InputError
from reconciler.plan.render import read_config, render

OWN = frozenset({"tiercast:plan", "tiercast:hot", "tiercast:warm"})

FOREIGN = """\
# written by hand
secretsprovider: passphrase
encryptionsalt: v1:abc=:v1:def
environment:
  - base
config:
  # the region is ours
  aws:region: us-east-1     # do not move
  other:token:
    secure: AAABAAwc1mZ
  other:shared: &shared
    a: 1
    b: [1, 2]
  other:copy: *shared
  tiercast:hot:
    slots: []   # old

  # a comment that belongs to the next key
  tiercast:override:
    reason: the cable was cut
  other:text: |
    two
    lines
"""


def test_foreign_keys_comments_secrets_and_aliases_keep_their_bytes() -> None:
    out = render(FOREIGN, {"tiercast:plan": {"id": "p1"}, "tiercast:hot": {"slots": [1]}}, own=OWN, location="f")
    ours = "  tiercast:hot:\n    slots:\n      - 1\n  tiercast:plan:\n    id: p1\n"
    assert out == FOREIGN.replace("  tiercast:hot:\n    slots: []   # old\n", ours)


def test_a_new_file_gets_a_config_section() -> None:
    assert (
        render("", {"tiercast:plan": {"id": "p1"}}, own=OWN, location="f") == "config:\n  tiercast:plan:\n    id: p1\n"
    )


def test_a_file_without_config_keeps_its_text_and_gets_the_section_at_its_end() -> None:
    out = render("encryptionsalt: v1:x", {"tiercast:plan": 1}, own=OWN, location="f")
    assert out == "encryptionsalt: v1:x\nconfig:\n  tiercast:plan: 1\n"


def test_an_empty_config_section_is_filled() -> None:
    assert (
        render("config:\nother: 1\n", {"tiercast:plan": 1}, own=OWN, location="f")
        == "config:\n  tiercast:plan: 1\nother: 1\n"
    )


def test_a_key_without_a_value_is_removed() -> None:
    text = "config:\n  tiercast:warm:\n    a: 1\n  x:y: 2\n"
    assert render(text, {}, own=OWN, location="f") == "config:\n  x:y: 2\n"


def test_an_anchor_inside_our_keys_that_others_use_is_refused() -> None:
    text = "config:\n  tiercast:hot: &a\n    b: 1\n  other:copy: *a\n"
    with pytest.raises(InputError, match="anchor"):
        render(text, {"tiercast:hot": {"b": 2}}, own=OWN, location="Pulumi.lab.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("config: {a:b: 1}\n", "one line"),
        ("config: [1]\n", "not a mapping"),
        ("- 1\n", "expected a mapping"),
        ("config:\n  a: [1\n", "line 3: not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_cut_is_one_clear_sentence(text: str, words: str) -> None:
    with pytest.raises(InputError, match=r"Pulumi\.lab\.yaml") as caught:
        render(text, {"tiercast:plan": 1}, own=OWN, location="Pulumi.lab.yaml")
    assert words in str(caught.value)


scalars = st.one_of(
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.text(st.characters(codec="utf-8", exclude_categories=("C",))),
    st.sampled_from(["two\nlines\n", "yes", "null", "1e3", "012", "a: b", "# no", "", " lead", "trail "]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ-9", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(plan=values, hot=values)
def test_what_is_written_reads_back_and_a_second_rendering_changes_nothing(plan: Any, hot: Any) -> None:
    wanted = {"tiercast:plan": plan, "tiercast:hot": hot}
    out = render(FOREIGN, wanted, own=OWN, location="f")
    read = read_config(out, "f")
    assert {k: read[k] for k in wanted} == wanted
    assert read["other:copy"] == {"a": 1, "b": [1, 2]}
    assert render(out, wanted, own=OWN, location="f") == out
