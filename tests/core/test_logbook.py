"""An entry of the write log without a batch id is the request whose references it names, all of them and no other."""

from __future__ import annotations

import msgspec
import pytest

from chargeplan.core.logbook import Request, attributed
from chargeplan.core.posting import WriteLogEntry

A, B, C = (f"CP{letter * 16}" for letter in "ABC")


def _entry(job, *references, at="2027-08-01T10:00:10Z", batch=()):
    return WriteLogEntry(job, "SUCCESS", frozenset(batch), frozenset(references), None, created_at=at)


def _request(batch, *references, at="2027-08-01T10:00:00Z", job=None):
    return Request(batch, frozenset(references), at, job)


def _batches(entries, requests):
    return {each.job_id: set(each.batch_ids) for each in attributed(entries, requests)}


def test_the_same_references_make_it_ours():
    assert _batches([_entry("j", A, B)], [_request("b1", A, B)]) == {"j": {"b1"}}


@pytest.mark.parametrize(
    ("entry", "request_"),
    [
        (_entry("j", A), _request("b1", A, B)),
        (_entry("j", A, B, C), _request("b1", A, B)),
        (_entry("j", A, at="2027-08-01T09:54:59Z"), _request("b1", A)),
        (_entry("j", A), _request("b1", A, job="another")),
    ],
    ids=[
        "not all of them",
        "more than them",
        "six minutes older",
        "a request whose job is known and another",
    ],
)
def test_otherwise_it_is_nobodys(entry, request_):
    assert _batches([entry], [request_]) == {"j": set()}


def test_clocks_may_differ_by_five_minutes():
    assert _batches([_entry("j", A, at="2027-08-01T09:55:01Z")], [_request("b1", A)]) == {"j": {"b1"}}


def test_a_request_with_a_job_has_its_own_entry_and_no_other():
    requests = [_request("b1", A), _request("b2", A, at="2027-08-01T10:01:00Z", job="j2")]
    entries = [_entry("j2", A, at="2027-08-01T10:01:05Z"), _entry("j1", A)]
    assert _batches(entries, requests) == {"j1": {"b1"}, "j2": {"b2"}}


def test_of_two_requests_alike_the_earlier_has_the_earlier_entry():
    requests = [_request("b2", A, at="2027-08-01T10:02:00Z"), _request("b1", A)]
    entries = [_entry("j2", A, at="2027-08-01T10:02:03Z"), _entry("j1", A)]
    assert _batches(entries, requests) == {"j1": {"b1"}, "j2": {"b2"}}


def test_a_batch_id_is_taken_at_its_word():
    entry = _entry("j", A, batch=["b9"])
    assert list(attributed([entry], [_request("b1", A)])) == [entry]
    assert msgspec.structs.asdict(entry)["batch_ids"] == {"b9"}
