from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from chargeplan.core.errors import ChargeplanError, StalePlanError
from chargeplan.core.posting import FREE, LIVE, Brief
from chargeplan.journal import SqlJournal, open_journal, schema
from chargeplan.journal.transitions import TRANSITIONS
from tests.journal.builders import DAY, batch, execute, intend, posting, states

Opened = Callable[..., SqlJournal]


def test_init_is_idempotent_and_keeps_the_identity(journal: SqlJournal, opened: Opened) -> None:
    intend(journal, "CP1")
    again = opened()
    assert again.identity == journal.identity
    assert len(journal.identity) == 32
    assert states(again) == {"CP1": "intended"}


def test_missing_names_both_ways_on(target: str) -> None:
    with pytest.raises(ChargeplanError) as caught:
        open_journal(target, create=False)
    assert caught.value.code == "journal_missing"
    for way in ("journal init", "journal import FILE", "journal rebuild"):
        assert way in caught.value.hint


def test_newer_is_refused(journal: SqlJournal, target: str) -> None:
    execute(journal, "UPDATE meta SET value = '99' WHERE key = 'version'")
    with pytest.raises(ChargeplanError) as caught:
        open_journal(target, create=True)
    assert caught.value.code == "journal_newer"


def test_a_tables_loss_is_damage(journal: SqlJournal, target: str) -> None:
    execute(journal, "DROP TABLE postings")
    with pytest.raises(ChargeplanError) as caught:
        open_journal(target, create=True)
    assert caught.value.code == "journal_damaged"


def test_migration_runs_once_by_itself(
    journal: SqlJournal, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    now = schema.VERSION
    monkeypatch.setattr(schema, "VERSION", now + 1)
    monkeypatch.setitem(schema.MIGRATIONS, now, lambda _: ran.append(1))
    opened(create=False)
    assert opened(create=False).verify() == []
    assert ran == [1]
    assert [event["data"] for event in journal.history(kind="migrated")] == [{"version": now + 1}]


def test_a_journal_of_the_first_version_gets_its_indexes(journal: SqlJournal, opened: Opened) -> None:
    indexes = ("events_at", "postings_recent")
    intend(journal, "CP1")
    for index in indexes:
        execute(journal, f"DROP INDEX {index}")
    execute(journal, "UPDATE meta SET value = '1' WHERE key = 'version'")
    again = opened(create=False)
    assert states(again) == {"CP1": "intended"}
    assert [event["data"]["version"] for event in again.history(kind="migrated")] == [2, 3, 4]
    assert again.verify() == []
    for index in indexes:
        execute(again, f"DROP INDEX {index}")  # it is there, or this would fail


def test_history_since_a_moment_whatever_the_clocks_said(opened: Opened) -> None:
    moments = iter([f"2027-08-01T{hour}:00:00+00:00" for hour in ("10", "12", "11", "13")])
    journal = opened(
        clock=lambda: datetime.fromisoformat(next(moments))
    )  # one host's clock is an hour behind
    for number in (1, 2, 3):
        journal.consume(f"plan{number}", f"sha256:{number}", {"number": number})
    assert [event["data"]["facts"]["number"] for event in journal.history("2027-08-01T12")] == [1, 3]
    assert [event["data"]["facts"]["number"] for event in journal.history("2027-08-01T11")] == [1, 2, 3]
    assert list(journal.history("2027-08-01T14")) == []


def test_a_line_goes_its_way(journal: SqlJournal) -> None:
    assert journal.consume("plan1", "sha256:1", {"environment": "production", "approved_by": ["a"]})
    intend(journal, "CP1", "CP2")
    (first, _) = journal.open_postings()
    assert (first.batch_id, first.plan_id, first.transaction_date, first.id) == ("b1", "plan1", DAY, 1)
    journal.record("b1", "queued", job_id="job-1")
    assert {line.job_id for line in journal.open_postings()} == {"job-1"}
    journal.record("b1", "accepted")
    journal.settle(1, "visible", charge_id="ch-1", reason="seen", actor="reconcile")
    assert states(journal) == {"CP1": "visible", "CP2": "accepted"}
    assert [line.reference for line in journal.open_postings()] == ["CP2"]
    assert journal.find("CP1")[0].charge_id == "ch-1"
    (made,) = journal.batches("plan1")
    assert (made.state, made.count, made.amount, made.job_id) == ("accepted", 2, 7000, "job-1")
    assert journal.verify() == []


def test_some_lines_of_a_batch_are_refused_and_the_rest_goes_again(journal: SqlJournal) -> None:
    intend(journal, "CP1", "CP2", "CP3")
    journal.record("b1", "refused", references=["CP2"], errors=["amount is missing"])
    journal.record("b1", "withdrawn", reason="goes in a new batch")
    assert states(journal) == {"CP1": "withdrawn", "CP2": "refused", "CP3": "withdrawn"}
    assert journal.find("CP2")[0].error == "amount is missing"
    intend(journal, "CP1", "CP3", batch_id="b2")
    assert states(journal) == {"CP1": "intended", "CP2": "refused", "CP3": "intended"}
    assert [line.state for line in journal.find("CP1")] == ["withdrawn", "intended"]
    assert [(b.batch_id, b.state, b.errors) for b in journal.batches("plan1")] == [
        ("b1", "refused", ("amount is missing",)),
        ("b2", "intended", ()),
    ]
    assert journal.verify() == []


def test_an_error_is_cleared_by_a_better_state(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    journal.record("b1", "unknown", errors=["timeout"])
    assert journal.find("CP1")[0].error == "timeout"
    journal.settle(1, "accepted", reason="write log", actor="reconcile")
    assert journal.find("CP1")[0].error is None


def test_the_live_posting_is_the_latest_whatever_is_newer(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    journal.record("b1", "refused")
    intend(journal, "CP1", batch_id="b2")
    journal.record("b2", "withdrawn")
    journal.settle(1, "visible", charge_id="ch", reason="turned up", actor="reconcile")
    assert states(journal) == {"CP1": "visible"}


def test_how_far_lines_have_come_is_told_by_their_references(journal: SqlJournal) -> None:
    intend(journal, "CP1", "CP2")
    intend(journal, "CP3", batch_id="b2", property_id="p2")
    journal.record("b1", "refused")
    intend(journal, "CP2", batch_id="b3")
    names = [f"CP{number}" for number in range(1_200)]
    found = journal.latest(names)
    assert {name: each.state for name, each in found.items()} == {
        "CP1": "refused",
        "CP2": "intended",
        "CP3": "intended",
    }
    assert journal.latest([]) == {}


def test_briefs_are_the_postings_seen_on_the_ledger_and_the_others_whole(journal: SqlJournal) -> None:
    odd = 'Zoë "Q" \\ \x01'
    journal.rebuild([posting("CP1", charge_id="ch-1", resident_id=odd), posting("CP2", state="accepted")])
    brief, whole = journal.briefs("i1", "p1", None)
    seen, waits = journal.postings("i1", "p1")
    assert whole == waits
    assert brief == Brief(*(getattr(seen, name) for name in Brief.__struct_fields__))
    assert (brief.resident_id, brief.state) == (odd, "visible")
    assert journal.briefs("i1", "p9", None) == []


def test_illegal_transitions_change_nothing(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    journal.record("b1", "refused")
    before = [event["kind"] for event in journal.history()]
    attempts: list[Callable[[], None]] = [
        lambda: journal.record("b1", "accepted"),
        lambda: journal.settle(1, "queued", reason="", actor="a"),
        lambda: journal.record("b1", "intended"),
    ]
    for attempt in attempts:
        with pytest.raises(ChargeplanError) as caught:
            attempt()
        assert caught.value.code == "illegal_transition"
    assert states(journal) == {"CP1": "refused"}
    assert [event["kind"] for event in journal.history()] == before


def test_nothing_leads_back_to_intended_and_only_presence_revives() -> None:
    assert set(TRANSITIONS) == LIVE | FREE | {"voided"}
    for before, after in TRANSITIONS.items():
        assert before not in after
        assert "intended" not in after
        if before in FREE | {"voided"}:
            # But for an answer that came after a person had said that nothing was posted.
            answer = {"queued"} if before == "not_posted" else set()
            assert after == {"visible", "posted"} | answer


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda j: j.record("nope", "queued"), "unknown_batch"),
        (lambda j: j.record("b1", "queued", references=["CP9"]), "unknown_reference"),
        (lambda j: j.settle(99, "visible", reason="", actor="a"), "unknown_posting"),
        (lambda j: j.unlock("L99", "because"), "unknown_lock"),
        (lambda j: intend(j, "CP1", batch_id="b2"), "already_live"),
        (lambda j: intend(j, "CP5", "CP5", batch_id="b2"), "already_live"),
        (lambda j: intend(j, "CP5"), "batch_exists"),
        (lambda j: intend(j, batch_id="b2"), "mixed_batch"),
        (lambda j: j.intend("plan1", batch("b2"), [posting("CP5")], lock_token=1), "lock_lost"),
    ],
)
def test_refusals(journal: SqlJournal, call: Callable[[SqlJournal], None], code: str) -> None:
    intend(journal, "CP1")
    with pytest.raises(ChargeplanError) as caught:
        call(journal)
    assert caught.value.code == code
    assert states(journal) == {"CP1": "intended"}
    assert journal.verify() == []


def test_the_database_itself_keeps_one_live_posting(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    (row,) = journal.find("CP1")
    second = {**msgspec.to_builtins(row), "id": 2, "live": 1}
    with pytest.raises(IntegrityError), journal._database.engine.begin() as connection:
        connection.execute(insert(schema.postings), second)
    with pytest.raises(IntegrityError), journal._database.engine.begin() as connection:
        connection.execute(insert(schema.postings), {**second, "live": 0})


def test_one_charge_settles_one_posting(journal: SqlJournal) -> None:
    intend(journal, "CP1", "CP2")
    journal.settle(1, "visible", charge_id="ch", reason="seen", actor="reconcile")
    with pytest.raises(ChargeplanError) as caught:
        journal.settle(2, "visible", charge_id="ch", reason="seen", actor="reconcile")
    assert caught.value.code == "charge_taken"


def test_a_late_arrival_beside_a_live_posting_is_refused(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    journal.record("b1", "not_posted")
    intend(journal, "CP1", batch_id="b2")
    with pytest.raises(ChargeplanError) as caught:
        journal.settle(1, "visible", charge_id="ch", reason="seen", actor="reconcile")
    assert caught.value.code == "already_live"


def test_a_plan_is_consumed_once(journal: SqlJournal) -> None:
    facts = {"environment": "production", "overrides": [{"guard": "max_total", "reason": "new building"}]}
    assert journal.plan_used("plan1") is None
    assert journal.consume("plan1", "sha256:1", facts)
    assert not journal.consume("plan1", "sha256:1", {})
    used = journal.plan_used("plan1")
    assert used is not None
    assert used["overrides"] == facts["overrides"]
    assert (used["digest"], used["actor"]) == ("sha256:1", "tester")
    with pytest.raises(StalePlanError):
        journal.consume("plan1", "sha256:2", {})


def test_knows_any(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    assert journal.knows_any(["CP1", *(f"X{n}" for n in range(1200))]) == {"CP1"}
    assert journal.knows_any([]) == frozenset()


def test_history_tells_people(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    journal.record("b1", "unknown", reason="timeout")
    journal.consume("plan9", "sha256:9", {"token": "s3cret"})
    told = list(journal.history())
    assert [event["kind"] for event in told] == ["created", "locks_taken", "intended", "recorded", "consumed"]
    assert (told[2]["plan_id"], told[2]["batch_id"], told[2]["count"], told[2]["amount"]) == (
        "plan1",
        "b1",
        1,
        3500,
    )
    assert told[4]["data"]["facts"] == {"token": "***"}
    told = journal.history_of(["CP1", "CP9"])
    assert [event["kind"] for event in told["CP1"]] == ["intended", "recorded"]
    assert [line["reference"] for line in told["CP1"][0]["data"]["postings"]] == ["CP1"]
    assert told["CP9"] == []
    assert list(journal.history("2999-01-01")) == []


def test_many_lines_are_taken_in_by_several_events(journal: SqlJournal) -> None:
    found = [posting(f"CP{number}") for number in range(2_500)]
    assert journal.rebuild(found, reason="lost") == 2_500
    counts = [event["data"]["count"] for event in journal.history() if event["kind"] == "rebuilt"]
    assert counts == [1_000, 1_000, 500]
    assert journal.verify() == []


def test_rebuild_and_adopt(journal: SqlJournal) -> None:
    intend(journal, "CP1")
    found = [
        posting("CP1"),
        posting("CP2", charge_id="ch-2"),
        posting("CP2"),
        posting("CP3", state="accepted"),
    ]
    assert journal.rebuild(found, reason="lost") == 2
    assert journal.rebuild(found) == 0
    assert states(journal) == {"CP1": "intended", "CP2": "visible", "CP3": "accepted"}
    assert journal.find("CP2")[0].charge_id == "ch-2"
    journal.adopt(posting("CP4"), "ch-4", reason="posted by hand")
    for reference, charge in (("CP4", "ch-5"), ("CP5", "ch-2")):
        with pytest.raises(ChargeplanError):
            journal.adopt(posting(reference), charge, reason="")
    assert journal.verify() == []


TAMPERING = [
    "UPDATE postings SET amount = 1 WHERE id = 1",
    "UPDATE postings SET state = 'posted' WHERE id = 1",
    "DELETE FROM postings WHERE id = 1",
    "DELETE FROM plans",
    "UPDATE batches SET job_id = 'other'",
    "UPDATE events SET data = replace(data, '3500', '3600') WHERE kind = 'intended'",
    f"UPDATE events SET data = replace(data, '3500', '{10**30}') WHERE kind = 'intended'",
    "UPDATE events SET actor = 'somebody' WHERE seq = 2",
    "DELETE FROM events WHERE seq = 3",
    "DELETE FROM events WHERE seq = 6",
    "DELETE FROM events",
    "UPDATE events SET data = 'x' WHERE seq = 4",
    "UPDATE meta SET value = 'other' WHERE key = 'identity'",
    "UPDATE meta SET value = 'x' WHERE key = 'head'",
    "INSERT INTO plans VALUES ('forged', 'd', '{}', '2027', 'me')",
]


@pytest.mark.parametrize("statement", TAMPERING)
def test_verify_finds_tampering(journal: SqlJournal, statement: str) -> None:
    journal.consume("plan1", "sha256:1", {})
    intend(journal, "CP1")
    journal.record("b1", "queued", job_id="j")
    journal.consume("plan2", "sha256:2", {})
    assert journal.verify() == []
    execute(journal, statement)
    assert journal.verify() != []


def _full(journal: SqlJournal) -> str:
    journal.consume("plan1", "sha256:1", {"environment": "e"})
    intend(journal, "CP1", "CP2")
    journal.record("b1", "queued", job_id="j")
    journal.settle(2, "not_posted", reason="a person says so", actor="alice")
    stream = io.StringIO()
    journal.export(stream)
    return stream.getvalue()


def test_export_and_import(journal: SqlJournal, second: str) -> None:
    exported = _full(journal)
    with open_journal(second, create=True, actor="tester") as other:
        assert other.import_(io.StringIO(exported)) == 6
        assert other.verify() == []
        assert other.identity == journal.identity
        assert other.postings("i1", "p1") == journal.postings("i1", "p1")
        assert other.batches() == journal.batches()
        assert other.plan_used("plan1") == journal.plan_used("plan1")
        with other.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
            assert tokens["p1"] > 1  # tokens go on where the lost journal ended
        with pytest.raises(ChargeplanError) as caught:
            other.import_(io.StringIO(exported))
        assert caught.value.code == "journal_not_empty"


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text.replace("3500", "3600"),
        lambda text: "".join(text.splitlines(keepends=True)[:-1]),
        lambda text: "".join(text.splitlines(keepends=True)[:-2]),
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]\n",
        lambda _: "{}\n{}\n",
        lambda text: text.replace('"identity":"', '"identity":"0', 1),
    ],
)
def test_an_altered_export_is_refused(
    journal: SqlJournal, tmp_path: Path, alter: Callable[[str], str]
) -> None:
    exported = alter(_full(journal))
    with open_journal(str(tmp_path / "second.db"), create=True) as other:
        with pytest.raises(ChargeplanError) as caught:
            other.import_(io.StringIO(exported))
        assert caught.value.code == "import_invalid"
        assert [event["kind"] for event in other.history()] == ["created"]
