"""Structure-aware mutations of files: bytes, lines, cells, keys and values, drawn from one random generator."""

from __future__ import annotations

import copy
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import pandas as pd
import yaml

#: Values that are wrong in most places: types, bounds, dates, names, texts that break formats.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**64), 10**400, 0.0, -0.5, 1e308, float("nan"), float("inf"),
    "", " ", "x", "0",
    "nan", "-inf", "1e999", "1%", "101%", "5m", "5", "-5m", "99999999999w", "2026-13-40", "2026-02-30T00:00:00Z",
    "2026-01-01", "0001-01-01T00:00Z",
    "9999-12-31T23:59:59Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00+23:59", "Europe/Berlin", "Mars", "*", "[",
    "{", "'", '"', "\\", "\n", "\x1b[31m",
    "ü" * 40, "\u202e", "\U0001f525", "a" * 5000, "../../../etc/passwd", "/dev/null", "hot", "warm", "cold", "gold",
    "exact", "file", "aws",
    [], [None], {}, {"a": 1}, [[]], [1, 2, 3], {"secure": "v1:abc"}, [{"name": "x"}], {"": ""},
)  # fmt: skip
#: Text that replaces a scalar in YAML as it is.
SCALARS = (
    "!!int abc", "!!float x", "!!binary '*'", "!!timestamp x", "!!bool x", "!!python/object:os.system x", "&a [*a]",
    "*nobody", "0x", "1_000", "0o17",
    "2026-13-40", "2026-01-01T00:00:00+99:99", "~", "''", "|", ">-", "@", "`", "%", "{a: {b: [", "? x", "<<: *x",
    "1:30", "12e", "9" * 5000, "- -", "!x y", "\t",
)  # fmt: skip
JUNK = (
    b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\x1b[2J", b"\r", b"\n", b"\t", b",", b";", b'"', b"'", b"{",
    b"}", b"[", b"]", b":", b"#", b"&a ",
    b"*a", b"---\n", b"...\n", b"\xed\xa0\x80", b"9" * 400, b"[" * 5000, b"-", b"NaN", b"null", b"\xc3", b"%",
)  # fmt: skip


def in_bytes(random: Random, data: bytes) -> bytes:
    """A few bytes flipped, removed, repeated, inserted or cut off."""
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(len(data) + 1)
        end = min(at + random.choice((1, 1, 3, 20, 200)), len(data))
        kind = random.randrange(6)
        if kind == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:end] + data[at:end] + data[end:]
        elif kind == 3:
            data = data[:at]
        else:
            data = data[:at] + random.choice(JUNK) + data[at:]
    return data


def in_lines(random: Random, data: bytes) -> bytes:
    """A line removed, repeated, moved, indented, or its end replaced."""
    lines = data.split(b"\n")
    for _ in range(random.choice((1, 1, 2, 4))):
        if not lines:
            break
        at, other = random.randrange(len(lines)), random.randrange(len(lines))
        line, kind = lines[at], random.randrange(6)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(other, line)
        elif kind == 2:
            lines[at], lines[other] = lines[other], line
        elif kind == 3:
            lines[at] = b" " * random.randrange(1, 5) + line if random.random() < 0.5 else line[1:]
        else:
            head, colon, _ = line.partition(b":")
            lines[at] = head + colon + b" " + random.choice(SCALARS).encode()
    return b"\n".join(lines)


def _containers(value: Any) -> list[Any]:
    found = []
    if isinstance(value, dict | list):
        found.append(value)
        for member in value.values() if isinstance(value, dict) else value:
            found += _containers(member)
    return found


def _misspelt(random: Random, key: str) -> str:
    at = random.randrange(len(key) + 1)
    return random.choice((key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key.upper(), key + "s", "", key + " "))


def in_values(random: Random, tree: Any) -> Any:
    """Keys removed, misspelt or added; values replaced, nested, repeated or exchanged."""
    tree = copy.deepcopy(tree)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        places = [one for one in _containers(tree) if one]
        if not places:
            return random.choice(VALUES)
        place: Any = random.choice(places)
        key = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
        kind = random.randrange(8)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place, dict):
            place[_misspelt(random, str(key))] = place.pop(key)
        elif kind == 2:
            place[key] = [place[key]] if random.random() < 0.5 else {"x": place[key]}
        elif kind == 3:
            other: Any = random.choice(places)
            there = random.choice(list(other) if isinstance(other, dict) else range(len(other)))
            place[key] = copy.deepcopy(other[there])
        elif kind == 4 and isinstance(place, list):
            place += copy.deepcopy(place) * random.choice((1, 5))
        elif kind == 5 and isinstance(place, dict):
            place[random.choice(("x", "min", "max", "1", "name"))] = random.choice(VALUES)
        else:
            place[key] = copy.deepcopy(random.choice(VALUES))
    return tree


def yaml_file(random: Random, data: bytes) -> bytes:
    """A YAML file, mutated as text or as values."""
    kind = random.randrange(5)
    if kind < 2:
        return (in_bytes, in_lines)[kind](random, data)
    tree = in_values(random, yaml.safe_load(data))
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=random.random() < 0.5).encode("utf-8", "surrogatepass")


def json_file(random: Random, data: bytes, finish: Callable[[Any], Any] = lambda tree: tree) -> bytes:
    """A JSON file, mutated as text or as values; `finish` may repair what guards the values, such as a digest."""
    kind = random.randrange(5)
    if kind < 2:
        return (in_bytes, in_lines)[kind](random, data)
    tree = in_values(random, json.loads(data))
    return json.dumps(finish(tree) if random.random() < 0.7 else tree, indent=random.choice((None, 2))).encode()


def json_lines(random: Random, data: bytes) -> bytes:
    """A file of one JSON value a line."""
    if random.random() < 0.4:
        return (in_bytes if random.random() < 0.5 else in_lines)(random, data)
    lines = data.splitlines()
    for _ in range(random.choice((1, 1, 3))):
        at = random.randrange(len(lines))
        lines[at] = json.dumps(in_values(random, json.loads(lines[at]))).encode()
    return b"\n".join(lines) + random.choice((b"", b"\n"))


#: Headers that replace a column's name.
HEADERS = (
    "requests", "reqs", "count", "rejected", "rejcted", "shed", "latency_ms", "cpu", "memory", "request_id",
    "program", "timestamp", "time", "user_id",
    "application_id", "requests_total", "", " ", '"', "x", "ü", "a.b", "select", "us", "pair", "value", "good", "u",
)  # fmt: skip
CELLS = (
    "", "nan", "NA", "-1", "1e400", "0x10", "1,5", "1.5", '"', "'", "x" * 300, "2024-13-40", "2024-01-01",
    "2024-01-01 00:00:00", "1704067200", "1704067200000",
    "2024-01-01T00:00:00+05:30", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "290000-01-01", "true", "inf",
    "-inf", "1;2", "\x1b[1m", "\U0001f525", "9" * 40, "NULL",
)  # fmt: skip


def csv_file(random: Random, data: bytes) -> bytes:
    """A CSV file: another header, cells, separator, encoding or packing, or mutated text."""
    kind = random.randrange(6)
    if kind == 0:
        return in_bytes(random, data)
    if kind == 1:
        return in_lines(random, data)
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(random.choice((1, 1, 2, 5))):
        if random.random() < 0.4:
            rows[0][random.randrange(len(rows[0]))] = random.choice(HEADERS)
        elif random.random() < 0.5:
            column, text = random.randrange(len(rows[0])), random.choice(CELLS)
            for row in rows[1 :: random.choice((1, 1, 2))]:
                row[min(column, len(row) - 1)] = text
        else:
            row = random.choice(rows)
            row[random.randrange(len(row))] = random.choice(CELLS)
    text = (
        "\n".join(random.choice((",", ",", ",", ";", "\t", "|", ", ")).join(row) for row in rows) if kind == 2 else ""
    )
    separator = random.choice((",", ",", ",", ",", ";", "\t"))
    text = text or "\n".join(separator.join(row) for row in rows)
    encoded = text.encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")
    return gzip.compress(encoded) if random.random() < 0.05 else encoded


def gzip_file(random: Random, data: bytes) -> bytes:
    """A CSV file that is packed, then mutated as bytes in half of the cases."""
    packed = gzip.compress(csv_file(random, data), mtime=0)
    return in_bytes(random, packed) if random.random() < 0.5 else packed


def zip_file(random: Random, data: bytes) -> bytes:
    """An archive whose JSON members are mutated as values, or the archive as bytes."""
    if random.random() < 0.4:
        return in_bytes(random, data)
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            held = old.read(name)
            if random.random() < 0.95:  # else the member is missing
                new.writestr(name, json_file(random, held) if name.endswith(".json") else held)
    return target.getvalue()


#: How a column of a frame is retyped.
RETYPED: tuple[Callable[[pd.Series[Any]], Any], ...] = (
    lambda s: s.astype(str),
    lambda s: s.astype("category"),
    lambda s: s.astype(str).str.encode("utf-8"),
    lambda s: [[1, 2]] * len(s),
    lambda s: [{"a": 1}] * len(s),
    lambda s: [None] * len(s),
    lambda s: pd.to_datetime(s.astype(str), utc=True, errors="coerce", format="ISO8601"),
    lambda s: pd.to_datetime(s.astype(str), utc=True, errors="coerce", format="ISO8601").dt.tz_localize(None).dt.date,
    lambda s: pd.to_numeric(s.astype(str), errors="coerce").astype("float32"),
    lambda s: pd.to_numeric(s.astype(str), errors="coerce").fillna(0).astype("uint8"),
    lambda s: pd.to_timedelta(pd.to_numeric(s.astype(str), errors="coerce"), unit="s"),
    lambda s: [float("inf")] * len(s),
    lambda s: [-(2**62)] * len(s),
    lambda s: [True] * len(s),
)


def parquet_file(random: Random, data: bytes) -> bytes:
    """A Parquet file of the rows of a CSV file, with columns renamed or retyped, or bytes mutated."""
    frame = pd.read_csv(io.BytesIO(data))
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True).dt.as_unit(random.choice(("s", "ms", "us", "ns")))
    for _ in range(random.choice((0, 1, 1, 2))):
        column = random.choice(list(frame.columns))
        if random.random() < 0.4:
            name = random.choice(HEADERS)
            if name not in frame.columns:
                frame = frame.rename(columns={column: name})
        elif random.random() < 0.2:
            frame = frame.drop(columns=column)
        else:
            frame[column] = random.choice(RETYPED)(frame[column])
    if random.random() < 0.1:
        frame = frame.head(0)
    stream = io.BytesIO()
    frame.to_parquet(stream, index=random.random() < 0.2)
    return in_bytes(random, stream.getvalue()) if random.random() < 0.4 else stream.getvalue()
