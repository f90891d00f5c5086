"""The matrix of faults names tests that are there, and its bounds are held."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests import bounds
from tests.bounds import files_of, matrix, within_bounds


@pytest.mark.parametrize("row", matrix())
def test_every_row_of_the_matrix_names_tests_that_are_there(row: str) -> None:
    assert files_of(row)
    assert all(path.exists() for path in files_of(row))


def test_memory_beyond_the_bound_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_BYTES", 50_000_000)
    with pytest.raises(AssertionError, match="500 MB"), within_bounds():
        assert len(bytearray(b"x") * 100_000_000) == 100_000_000


def test_memory_that_was_used_before_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(bytearray(b"x") * 100_000_000) == 100_000_000
    monkeypatch.setattr(bounds, "MOST_BYTES", 50_000_000)
    with within_bounds():
        pass


def test_a_program_beyond_the_bound_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bounds._largest_child()
    monkeypatch.setattr(bounds, "MOST_BYTES", before)
    with pytest.raises(AssertionError, match="a program"), within_bounds():
        subprocess.run([sys.executable, "-c", f"len(bytearray(b'x') * {before + 50_000_000})"], check=True)


def work(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def test_time_of_the_processor_beyond_the_bound_is_found_and_waiting_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MOST_SECONDS", 0.05)
    with within_bounds():
        time.sleep(0.1)
    with pytest.raises(AssertionError, match="10 s"), within_bounds():
        work(0.1)
