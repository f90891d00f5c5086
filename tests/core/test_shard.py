from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeplan.core.shard import Shard, read_shard


@given(st.text(), st.integers(1, 64))
def test_every_property_is_in_exactly_one_shard(property_id: str, count: int) -> None:
    assert [Shard(index, count).holds(property_id) for index in range(1, count + 1)].count(True) == 1


def test_where_a_property_is_hangs_on_nothing_but_its_id() -> None:
    # The number that `sha256sum` gives of it is 1 modulo 4 and 2 modulo 3, by `bc`.
    oak = "clwi5xiix000008l6ctdgafyh"
    assert [index for index in (1, 2, 3, 4) if Shard(index, 4).holds(oak)] == [2]
    assert [index for index in (1, 2, 3) if Shard(index, 3).holds(oak)] == [3]


def test_shards_are_of_about_the_same_size() -> None:
    found = Counter(
        index for n in range(4000) for index in range(1, 9) if Shard(index, 8).holds(f"property-{n}")
    )
    assert sum(found.values()) == 4000
    assert all(400 < count < 600 for count in found.values())


@pytest.mark.parametrize(
    ("text", "shard"), [("1/1", Shard(1, 1)), ("3/16", Shard(3, 16)), ("9999/9999", Shard(9999, 9999))]
)
def test_written_and_read(text: str, shard: Shard) -> None:
    assert read_shard(text) == shard
    assert str(shard) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "0/4", "5/4", "1/0", "01/4", "-1/4", "1/4/2", "a/b", "1 / 4", "1/10000", "\u0661/\u0664"],
)
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match="no shard"):
        read_shard(text)
