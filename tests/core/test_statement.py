"""Control totals from the journal's events, and the decisions of people."""

from __future__ import annotations

from datetime import date
from typing import Any

from chargeplan.core.change import Total
from chargeplan.core.dates import Days
from chargeplan.core.statement import Approved, Statement, statement_of


def event(kind: str, at: str = "2027-08-02T10:00:00.000Z", actor: str = "kim", **data: Any) -> dict[str, Any]:
    return {"at": at, "kind": kind, "actor": actor, "data": data}


def applied(count: int, amount: int, plan: str = "p1", at: str = "2027-08-02T10:00:00.000Z", **facts: Any):
    facts = {"count": count, "amount": amount, "window": ["2027-08-01", "2027-08-31"], **facts}
    return event("consumed", at, plan_id=plan, digest=f"sha256:{plan}", facts=facts)


def posting(
    number: int, amount: int, reference: str = "", plan: str = "p1", state: str = "intended", **more: str
):
    return {
        "id": number, "plan_id": plan, "reference": reference or f"CP{number}", "amount": amount, "state": state,
        "property_id": "oak", "charge_code": "Rent", "transaction_date": "2027-08-01", **more,
    }  # fmt: skip


def intended(*postings: dict[str, Any]) -> dict[str, Any]:
    return event("intended", postings=list(postings))


def recorded(state: str, *ids: int) -> dict[str, Any]:
    return event("recorded", state=state, ids=list(ids))


def settled(state: str, number: int, actor: str = "reconcile", **more: Any) -> dict[str, Any]:
    facts = {"id": number, "state": state, "reference": f"CP{number}", "count": 1, "amount": 100, **more}
    return event("settled", actor=actor, **facts)


def whole(*events: dict[str, Any]) -> Statement:
    return statement_of(events, None, None)


THREE = (posting(1, 100), posting(2, 250), posting(3, -50))


def test_what_was_planned_accepted_and_seen_is_balanced() -> None:
    seen = [settled("visible", number) for number in (1, 2, 3)]
    statement = whole(applied(3, 300), intended(*THREE), recorded("accepted", 1, 2, 3), *seen)
    (control,) = statement.controls
    assert (control.planned, control.accepted, control.visible) == (
        Total(3, 300),
        Total(3, 300),
        Total(3, 300),
    )
    assert control.balanced
    assert statement.balanced
    assert control.others == {}


def test_accepted_and_not_seen_yet_is_not_balanced() -> None:
    statement = whole(applied(3, 300), intended(*THREE), recorded("accepted", 1, 2, 3), settled("visible", 2))
    (control,) = statement.controls
    assert (control.accepted, control.visible) == (Total(3, 300), Total(1, 250))
    assert control.difference == Total(2, 50)
    assert not statement.balanced


def test_what_is_not_accepted_is_told_by_its_state() -> None:
    statement = whole(applied(5, 900), intended(*THREE), recorded("refused", 1), recorded("unknown", 2, 3))
    (control,) = statement.controls
    assert control.accepted == Total()
    # 900 - 300: two lines of the plan were in no batch.
    assert control.others == {"refused": Total(1, 100), "unknown": Total(2, 200), "unsent": Total(2, 600)}


def test_the_same_cents_in_other_lines_are_not_balanced() -> None:
    """Two differences must not cancel out: 100 refused and 100 too much elsewhere."""
    one = [intended(posting(1, 100)), recorded("refused", 1)]
    other = [intended(posting(2, 100, plan="p2"), posting(3, 100, plan="p2")), recorded("visible", 2, 3)]
    statement = whole(applied(1, 100), applied(1, 100, "p2"), *one, *other)
    assert statement.planned == statement.visible == Total(2, 200)
    assert not statement.balanced


def test_a_line_sent_again_by_the_same_plan_counts_once() -> None:
    statement = whole(
        applied(1, 100),
        intended(posting(1, 100, "CPA")), recorded("withdrawn", 1),
        intended(posting(2, 100, "CPA")), recorded("accepted", 2),
    )  # fmt: skip
    (control,) = statement.controls
    assert control.accepted == Total(1, 100)
    assert control.others == {}


def test_a_refused_line_that_another_plan_posted_is_told_so() -> None:
    statement = whole(
        applied(1, 100), intended(posting(1, 100, "CPA")), recorded("refused", 1),
        applied(1, 100, "p2"), intended(posting(2, 100, "CPA", "p2")), recorded("visible", 2),
    )  # fmt: skip
    first, second = statement.controls
    assert first.others == {"posted_later": Total(1, 100)}
    assert second.balanced


def test_a_persons_word_counts_as_visible_and_is_told_apart() -> None:
    resolved = settled("posted", 1, actor="kim", reason="seen on the ledger")
    statement = whole(applied(1, 100), intended(posting(1, 100)), recorded("unknown", 1), resolved)
    (control,) = statement.controls
    assert control.balanced
    assert control.by_word == Total(1, 100)
    (decision,) = statement.decisions
    assert (decision.actor, decision.what, decision.subject, decision.reason) == (
        "kim", "posted", "CP1", "seen on the ledger",
    )  # fmt: skip


def test_what_evidence_settles_is_no_persons_decision() -> None:
    statement = whole(applied(1, 100), intended(posting(1, 100)), settled("visible", 1))
    assert statement.decisions == ()


def test_an_adoption_and_a_broken_lock_are_decisions() -> None:
    adopted = event(
        "adopted", postings=[posting(9, 700, state="visible")], count=1, amount=700, reason="ours"
    )
    unlocked = event("lock_unlocked", property_id="oak", reason="the runner is gone")
    first, second = whole(adopted, unlocked).decisions
    assert (first.what, first.subject, first.amount, first.reason) == ("adopted", "CP9", 700, "ours")
    assert (second.what, second.subject, second.reason) == ("lock_unlocked", "oak", "the runner is gone")


def test_who_when_what_and_the_overrides() -> None:
    allowance = {
        "guard": "max_total",
        "value": 65000000,
        "text": "max_total=650000.00",
        "reason": "new building",
    }
    (control,) = whole(
        applied(1, 100, approval="digest", environment="production", allowances=[allowance])
    ).controls
    assert (control.actor, control.at, control.digest) == ("kim", "2027-08-02T10:00:00.000Z", "sha256:p1")
    assert (control.approval, control.environment) == ("digest", "production")
    assert control.window == ("2027-08-01", "2027-08-31")
    assert [(each.guard, each.reason) for each in control.overrides] == [
        ("max_total=650000.00", "new building")
    ]


def test_the_days_are_inclusive_and_later_events_still_settle() -> None:
    july = applied(1, 100, "p0", at="2027-07-31T23:59:59.999Z")
    august = applied(1, 100, "p1", at="2027-08-31T23:00:00.000Z")
    september = event("settled", "2027-09-03T08:00:00.000Z", id=1, state="visible", reference="CP1")
    statement = statement_of([july, august, intended(posting(1, 100)), september], "2027-08-01", "2027-08-31")
    assert [each.plan_id for each in statement.controls] == ["p1"]
    assert statement.controls[0].balanced
    assert september not in statement.events


def test_the_days_need_no_event_from_before_them() -> None:
    july, august = "2027-07-02T10:00:00.000Z", "2027-08-02T10:00:00.000Z"
    before = [
        applied(2, 350, "p0", july),
        {**intended(posting(1, 100, plan="p0"), posting(2, 250, plan="p0")), "at": july},
    ]
    since = [
        recorded("accepted", 1, 2),
        applied(1, 90, "p1", august),
        intended(posting(3, 90)),
        recorded("accepted", 3),
        settled("visible", 1),
        settled("posted", 2, "kim", reason="seen"),
        settled("visible", 3),
    ]
    statement = statement_of(since, "2027-08-01", None)
    assert statement == statement_of([*before, *since], "2027-08-01", None)
    assert [(each.plan_id, each.visible) for each in statement.controls] == [("p1", Total(1, 90))]


def test_the_people_who_approved_are_told_with_key_and_signature() -> None:
    given = {
        "approver": "pat", "approved_at": "2027-08-02T09:00:00Z", "expires_at": "2027-08-05T09:00:00Z", "reason": "looked",
    }  # fmt: skip
    entry = {"approval": given, "key": "SHA256:k", "signature": "c2ln"}
    (control,) = whole(applied(1, 100, approvals=[entry])).controls
    assert control.approvals == (
        Approved(
            approver="pat",
            at="2027-08-02T09:00:00Z",
            expires_at="2027-08-05T09:00:00Z",
            reason="looked",
            key="SHA256:k",
            signature="c2ln",
        ),
    )
    assert whole(applied(1, 100)).controls[0].approvals == ()


# --- of a billing period -------------------------------------------------------------------------------------------

AUGUST = Days(date(2027, 8, 1), date(2027, 8, 31))


def of_august(*events: dict[str, Any], seen: dict[str, int | None] | None = None) -> Statement:
    return statement_of(events, None, None, seen or {}, period=AUGUST)


def test_a_billing_period_has_its_lines_whenever_they_were_sent() -> None:
    early = event("intended", "2027-07-28T10:00:00.000Z", postings=[posting(1, 100)])
    julys = intended(posting(2, 900, transaction_date="2027-07-01"))
    late = event("intended", "2027-10-02T10:00:00.000Z", postings=[posting(3, 30, plan="p3")])
    statement = of_august(early, recorded("visible", 1), julys, late)
    assert statement.references == ("CP1", "CP3")
    (rent,) = statement.codes
    assert (rent.property_id, rent.charge_code) == ("oak", "Rent")
    assert (rent.sent, rent.accepted, rent.visible) == (Total(2, 130), Total(1, 100), Total(1, 100))
    assert list(statement.events) == [early, recorded("visible", 1), late]


def test_a_billing_period_totals_each_code_of_each_property() -> None:
    others = [
        posting(1, 100, charge_code="Pet"), posting(2, 200), posting(3, 400), posting(4, 800, property_id="elm"),
    ]  # fmt: skip
    statement = of_august(intended(*others), recorded("visible", 1, 2, 3, 4), seen={"CP3": None, "CP2": 150})
    assert [(each.property_id, each.charge_code, each.sent, each.visible) for each in statement.codes] == [
        ("elm", "Rent", Total(1, 800), Total(1, 800)),
        ("oak", "Pet", Total(1, 100), Total(1, 100)),
        ("oak", "Rent", Total(2, 600), Total(1, 150)),  # edited to 1.50, and taken off
    ]


def test_a_billing_period_has_the_plans_with_lines_or_dates_in_it() -> None:
    july = ["2027-07-01", "2027-07-31"]
    statement = of_august(
        applied(1, 100, "in-august"),  # none of its lines was sent
        applied(1, 100, "july", window=july),
        applied(1, 100, "corrects-august", window=["2027-09-01", "2027-09-30"]),
        intended(posting(1, 100, plan="july", transaction_date="2027-07-01")),
        intended(posting(2, 100, plan="corrects-august")),
    )
    assert [each.plan_id for each in statement.controls] == ["in-august", "corrects-august"]


def test_a_billing_period_has_the_decisions_about_its_lines() -> None:
    lines = intended(posting(1, 100), posting(2, 100, transaction_date="2027-09-01"))
    kims = [settled("posted", number, actor="kim", reason="seen") for number in (1, 2)]
    accepted = event("decided", what="accepted", reference="CP1", reason="agreed")
    statement = of_august(lines, *kims, accepted, event("lock_unlocked", property_id="oak", reason="gone"))
    assert [(each.what, each.subject) for each in statement.decisions] == [
        ("posted", "CP1"),
        ("accepted", "CP1"),
    ]


def test_a_line_refused_and_posted_later_counts_once_in_its_period() -> None:
    statement = of_august(
        intended(posting(1, 100, "CPA")), recorded("refused", 1),
        intended(posting(2, 100, "CPA", "p2")), recorded("visible", 2),
    )  # fmt: skip
    (rent,) = statement.codes
    assert (rent.sent, rent.visible) == (Total(1, 100), Total(1, 100))
