"""Providers read back what they were given in another form; that is no change."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.observe.same_value import changed_keys, same_value

SAME: list[tuple[Any, Any]] = [
    (80, "80"),
    (1, 1.0),
    (True, "true"),
    (None, ""),
    ([], None),
    ({"a": None}, {}),
    (["z", "a"], ["a", "z"]),
    ({"tags": {"b": "1", "a": 2}}, {"tags": {"a": "2", "b": 1}}),
    ("52:54:00:AB:cd:01", "52:54:00:ab:CD:01"),
    ("AAAAAAAA-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000001"),
    ('{"a": 1, "b": [1, 2]}', '{"b":[2,1],"a":"1"}'),
    ("<a>\n  <b x='1'/>\n</a>", '<a><b x="1"></b></a>'),
    ("text\n", "text"),
    ({"__defaults": ["x"], "n": 1}, {"n": 1}),
]
OTHER: list[tuple[Any, Any]] = [
    (80, 81),
    (True, False),
    (0, None),
    (["a"], ["a", "a"]),
    ({"a": 1}, {"a": 2}),
    ("Case", "case"),
    ("{broken", "{broke"),
    ("<a><b/></a>", "<a><c/></a>"),
    ("<broken", "<brok"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_another_form_is_the_same_value(one: Any, other: Any) -> None:
    assert same_value(one, other)
    assert same_value(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_another_value_is_not(one: Any, other: Any) -> None:
    assert not same_value(one, other)


def test_only_keys_whose_values_mean_something_else_changed() -> None:
    assert changed_keys({"a": 1, "b": 2, "c": 3}, {"a": "1", "b": 3, "d": 4}) == ("b", "c", "d")
