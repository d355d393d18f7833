"""Text of other programs is shown without secrets and without what a terminal obeys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.observe.redaction import printable, redacted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "cannot reach qemu+tcp://ops:CANARY@hv-1/system: refused",
            "cannot reach qemu+tcp://ops:[secret]@hv-1/system: refused",
        ),
        ("key AKIAIOSFODNN7EXAMPLE is disabled", "key [secret] is disabled"),
        ("PASSWORD='CANARY1' is wrong", "PASSWORD='[secret]' is wrong"),
        ("x -----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY----- y", "x [secret] y"),
        ("-----BEGIN PRIVATE KEY-----\nCANARY cut short", "[secret]"),
        ("token ghp_CANARYCANARYCANARYCA expired", "token [secret] expired"),
        ("instance-type m5.large: not offered at 10:30", "instance-type m5.large: not offered at 10:30"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_the_rest_is_read_as_before(text: str, words: str) -> None:
    assert redacted(text) == words


def test_a_known_value_is_hidden_whatever_it_looks_like_and_a_longer_one_first() -> None:
    assert redacted("open sesame and open", ["sesame", "open sesame", "open"]) == "[secret] and open"


def test_escapes_and_reversals_are_shown_as_such_and_lines_stay() -> None:
    assert printable("a\x1b[31mred\x07\u202egnp\x9b1m\nnext\tcell") == "a�[31mred��gnp�1m\nnext\tcell"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left_and_plain_text_is_untouched(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert "\x1b" not in shown
    assert "\r" not in shown
    shown.encode()
