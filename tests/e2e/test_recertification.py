"""The guide's subsidy that is recertified too late, from plan to ledger: every cent of two months."""

from __future__ import annotations

import re

import pytest

from tests.e2e.house import House, Result
from tests.test_guide_figures import SECTIONS

NO_CHANGES = "No changes. Every charge is posted."
FIRST = "unit,certificate,since,until,tenant,subsidy\n204,C1,2026-09-01,,420.00,980.00\n"


@pytest.fixture
def billed(house: House) -> House:
    """August stands on the ledgers by the certificate that was known then."""
    (house.plans / "oak.yaml").unlink()
    (plan,) = re.findall(r"```yaml\n(.*?)```", SECTIONS["subsidy"], re.DOTALL)
    house.write(plan, "subsidy.yaml")
    house.write(FIRST, "certificates.csv")
    house.config(posts_credits=True)
    house.saved()
    assert house.apply().json["totals"]["posted"] == {"count": 2, "amount_in_cents": 42000 + 98000}
    house.month()
    return house


def recertify(house: House) -> None:
    """The agency's paper of August comes in September: the guide's own table."""
    ((_, cells),) = re.findall(r"```csv file=(\S+)\n(.*?)```", SECTIONS["subsidy"], re.DOTALL)
    house.write(cells, "certificates.csv")


def in_september(house: House, *words: str) -> Result:
    return house.run("plan", "--as-of", "2027-09-02", *words)


def changes(document: dict) -> list[tuple[str, str, str, int]]:
    return sorted(
        (each["transaction_date"], each["charge"], each["action"], each["amount_in_cents"])
        for each in document["changes"]
    )


def test_a_late_recertification_is_corrected_to_the_cent(billed: House) -> None:
    recertify(billed)
    planned = in_september(billed, "--json", "--out", str(billed.planfile))
    # Of August the first certificate has 14 of 31 days: 189.68 and 442.58 of 420.00 and 980.00. The second has 17.
    assert changes(planned.json) == [
        ("2027-08-01", "subsidy-rent", "correct", 44258 - 98000),
        ("2027-08-01", "tenant-rent", "correct", 18968 - 42000),
        ("2027-08-15", "subsidy-rent", "create", 48532),
        ("2027-08-15", "tenant-rent", "create", 28242),
        ("2027-09-01", "subsidy-rent", "create", 88500),
        ("2027-09-01", "tenant-rent", "create", 51500),
    ]
    assert billed.apply().json["outcome"] == "complete"
    billed.month()
    assert in_september(billed).last == NO_CHANGES
    codes: dict[str, int] = {}
    for entry in billed.ours():
        name = f"{entry.transaction_date[:7]} {entry.charge_code_id}"
        codes[name] = codes.get(name, 0) + entry.amount_in_cents
    assert sorted(codes.values()) == sorted([18968 + 28242, 44258 + 48532, 51500, 88500])


def test_where_credits_are_held_nothing_of_the_swap_is_posted_without_them(billed: House) -> None:
    recertify(billed)
    billed.config()
    document = in_september(billed, "--json").json
    assert {
        (each["action"], each["reason"])
        for each in document["changes"]
        if "2027-08" in each["transaction_date"]
    } == {
        ("hold", "credit_not_allowed"),
        ("hold", "credit_pending"),
    }
    assert document["totals"]["create"] == {"count": 2, "amount_in_cents": 51500 + 88500}
