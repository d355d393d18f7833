"""An even spread over hosts of different room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.sizing.host_spread import even, lost_with


def test_worked_examples() -> None:
    assert even(7, [4, 4, 4]) == [3, 2, 2]
    assert even(7, [1, 4, 4]) == [1, 3, 3]
    assert even(99, [1, 2]) == [1, 2]
    assert even(3, []) == []
    assert lost_with(7, [1, 4, 4], 1) == 3


@given(count=st.integers(0, 60), room=st.lists(st.integers(0, 12), max_size=5))
def test_no_host_has_two_more_than_one_with_room(count: int, room: list[int]) -> None:
    filled = even(count, room)
    assert sum(filled) == min(count, sum(room))
    assert all(f <= r for f, r in zip(filled, room, strict=True))
    with_room = [f for f, r in zip(filled, room, strict=True) if f < r]
    assert not with_room or max(filled) <= min(with_room) + 1
