"""YAML and JSON that can't be read end in a place, a problem and a remedy; keys are found at their lines."""

from __future__ import annotations

import pytest

from stacks.yaml_text import Places, TextFault, load_json, load_yaml


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("a: 1\nb: !!int abc\n", ", line 2, key b", "'abc' is not a value of type int"),
        ("a: !!float x\n", ", line 1, key a", "'x' is not a value of type float"),
        ("a: !!bool x\n", ", line 1, key a", "'x' is not a value of type bool"),
        ("a: [1, !!int '']\n", ", line 1, key a[1]", "'' is not a value of type int"),
        (f"a: {'9' * 5000}\n", ", line 1, key a", f"'{'9' * 40}' is not a value of type int"),
        ("a: 2026-01-01T00:00:00+99:99\n", ", line 1, key a", "is not a date that exists"),
        ('a: "\\U00110000"\n', "", "not valid YAML"),
        ("a: \x00\n", "", "not valid YAML: unacceptable character #x0000"),
        ("a: 1\na: 2\n", ", line 2", "not valid YAML: found duplicate key"),
        ("[" * 3000, "", "nested more than 50 levels deep"),
        ("{a: " * 60 + "1" + "}" * 60, "", "nested more than 50 levels deep"),
        ("a: &a [*a]\n", "", "contains the alias itself"),
        ("a0: &a0 [1, 1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)), "", "aliases"),
    ],
)  # fmt: skip
def test_yaml_that_cannot_be_read_names_its_place(text: str, place: str, problem: str) -> None:
    with pytest.raises(TextFault) as caught:
        load_yaml(text)
    assert caught.value.place == place
    assert problem in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ('{"a":\n}', ", line 2", "not valid JSON: Expecting value"),
        ("[" * 100_000, "", "nested more than 50 levels deep"),
        ('{"a":' * 60 + "1" + "}" * 60, "", "nested more than 50 levels deep"),
        ('{"a": ' + "9" * 5000 + "}", "", "a number has too many digits"),
    ],
)
def test_json_that_cannot_be_read_names_its_place(text: str, place: str, problem: str) -> None:
    with pytest.raises(TextFault) as caught:
        load_json(text)
    assert (caught.value.place, problem in caught.value.problem) == (place, True)


def test_an_alias_that_is_used_twice_is_no_fault() -> None:
    assert load_yaml("a: &a {b: 1}\nc: [*a, *a]\n") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


YAML_TEXT = """\
base: &base
  x: 1
a:
  - b: 1
    c: 2
  - <<: *base
    "quoted": 3
4: four
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 3),
        (("a", 0), 4),
        (("a", 0, "c"), 5),
        (("a", 0, "gone"), 4),
        (("a", 0, "c", "below", 7), 5),
        (("a", 1, "quoted"), 7),
        (("a", 1, "x"), 2),
        (("a", 9), 3),
        (("4",), 8),
        (("gone",), None),
        ((), None),
    ],
)
def test_a_path_leads_to_the_line_of_its_last_key_that_is_there(path: tuple[int | str, ...], line: int | None) -> None:
    assert Places(YAML_TEXT).line(path) == line


def test_json_has_places_too_and_text_that_is_neither_has_none() -> None:
    assert Places('{\n\t"a": {\n\t\t"b": [1,\n\t\t2]}}').line(("a", "b", 1)) == 4
    assert Places("a: [").line(("a",)) is None
    assert Places().line(("a",)) is None
