"""A plan file is read as it was written, or refused."""

from __future__ import annotations

import gzip
import json
import os
import resource
import stat
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.change import ChangeSet, PropertyDigest, Total
from chargeplan.core.errors import ChargeplanError, StalePlanError
from chargeplan.disk import whole
from chargeplan.planfile import codec
from chargeplan.planfile.codec import PlanFile, read_plan, write_plan
from chargeplan.planfile.header import Allowance, Header, Origin, PlanOptions
from chargeplan.planfile.review import review_of
from chargeplan.planfile.seal import sealed_header
from tests.render.samples import change, change_set, full

ROOT = Path(__file__).resolve().parents[2]
ORIGIN = Origin(
    api_host="api.propexo.com",
    journal_id="journal-1",
    options=PlanOptions(plans=("oak-street",)),
    inputs={"plans/oak-street.yaml": "aa", "chargeplan.yaml": "bb"},
    properties=(
        PropertyDigest("resman-1", "prop-1", "o1", "r1"),
        PropertyDigest("resman-1", "prop-2", "o2", "r2"),
    ),
)


def sealed(plan: ChangeSet, origin: Origin = ORIGIN, **facts: object) -> Header:
    given = {
        "created_at": "2027-08-02T08:00:00.000Z",
        "expires_at": "2027-08-09T08:00:00.000Z",
        "planned_by": "ada",
        "allowances": (Allowance("max_total", "650000.00", "new building"),),
    }
    return sealed_header(plan, origin, **(given | facts))


def digest(plan: ChangeSet, origin: Origin = ORIGIN, **facts: object) -> str:
    return sealed(plan, origin, **facts).digest


def save(path: Path, plan: ChangeSet | None = None, origin: Origin = ORIGIN) -> PlanFile:
    plan = plan or full()
    header = sealed(plan, origin)
    write_plan(path, header, plan)
    listed = tuple(each for each in plan.changes if each.action != "unchanged")
    shown = msgspec.structs.replace(plan, changes=listed, skips=())
    return PlanFile(header, shown, review_of(plan))


@pytest.mark.parametrize("name", ["p.plan", "p.plan.gz"])
def test_reads_what_was_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    expected = save(path)
    assert read_plan(path) == expected
    assert expected.review.totals["unchanged"].count == 1
    assert expected.review.skips == {"lease_pending": 2, "not_selected": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["p.plan", "p.plan.gz"])
def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    save(tmp_path / name)
    (tmp_path / "other").mkdir()
    save(tmp_path / "other" / name)
    assert (tmp_path / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_lines_are_a_header_changes_and_a_footer(tmp_path: Path) -> None:
    save(tmp_path / "p.plan")
    lines = [json.loads(line) for line in (tmp_path / "p.plan").read_text().splitlines()]
    assert lines[0]["kind"] == "planfile"
    assert lines[-1]["kind"] == "footer"
    assert [line["reference"][-2:] for line in lines[1:-1]] == [
        "01",
        "02",
        "03",
        "04",
        "06",
        "07",
        "08",
        "09",
        "10",
    ]
    schema = json.loads((ROOT / "schemas" / "planfile.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for line in lines:
        validator.validate(line)


def test_a_renamed_packed_file_is_read(tmp_path: Path) -> None:
    expected = save(tmp_path / "p.plan.gz")
    (tmp_path / "p.plan.gz").rename(tmp_path / "p.plan")
    assert read_plan(tmp_path / "p.plan") == expected


# --- altered -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sealed") / "p.plan"
    save(path)
    return path


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_changed_byte_is_refused(plain: Path, data: st.DataObject) -> None:
    sealed = bytearray(plain.read_bytes())
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    broken = plain.with_name("broken.plan")
    broken.write_bytes(bytes(sealed))
    with pytest.raises(ChargeplanError) as caught:
        read_plan(broken)
    assert caught.value.code in {"plan_altered", "not_a_plan", "plan_newer", "plan_older"}
    if at > 60:
        assert caught.value.exit_code == 5


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_cut_or_addition_is_refused(plain: Path, data: st.DataObject) -> None:
    sealed = plain.read_bytes()
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    longer = sealed + data.draw(st.binary(min_size=1, max_size=20))
    broken = plain.with_name("broken.plan")
    for content in (cut, longer):
        broken.write_bytes(content)
        with pytest.raises(ChargeplanError):
            read_plan(broken)


def test_a_changed_packed_file_is_refused_or_says_the_same(tmp_path: Path) -> None:
    """Bits that pad the compressed stream say nothing; whatever changes the content is found."""
    expected = save(tmp_path / "p.plan.gz")
    sealed = (tmp_path / "p.plan.gz").read_bytes()
    for at in range(0, len(sealed), 3):
        broken = bytearray(sealed)
        broken[at] ^= 0x41
        (tmp_path / "b.plan.gz").write_bytes(bytes(broken))
        try:
            found = read_plan(tmp_path / "b.plan.gz")
        except ChargeplanError:
            continue
        assert found == expected


def test_a_new_seal_does_not_hide_another_content(tmp_path: Path) -> None:
    """Whoever edits the file can make its SHA-256 anew; the digest that was approved is of other charges."""
    path = tmp_path / "p.plan"
    header = save(path).header
    more = change_set(*full().changes, change("create", 99, amount=999900))
    write_plan(path, header, more)
    with pytest.raises(StalePlanError, match="digest") as caught:
        read_plan(path)
    assert caught.value.code == "plan_altered"


def test_a_new_seal_does_not_hide_wrong_totals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reviewer is shown must be what the lines come to, or a forged total would be approved with the digest."""
    forged = msgspec.structs.replace(review_of(full()), totals={"create": Total(1, 100)})
    monkeypatch.setattr(codec, "review_of", lambda _plan: forged)
    save(tmp_path / "p.plan")
    with pytest.raises(StalePlanError, match="totals"):
        read_plan(tmp_path / "p.plan")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_plan"),
        (b"hello\n", "not_a_plan"),
        (b'{\n  "format_version": "1.0",\n  "kind": "plan"\n}\n', "not_a_plan"),
        (b'{"format_version":"1.0","kind":"plan","plan_id":"x"}\n', "not_a_plan"),
        (b"\xff\xfe\x00", "not_a_plan"),
        (b'{"kind":"planfile","format_version":"2.0"}\n', "plan_newer"),
        (b'{"kind":"planfile","format_version":"1.0"}\n', "plan_altered"),
        (b'{"kind":"planfile","format_ve', "plan_altered"),
        (gzip.compress(b"hello\n", mtime=0), "not_a_plan"),
        (gzip.compress(b"hello\n", mtime=0)[:12], "plan_altered"),
        (b'{"kind":"planfile","format_version":"' + b"9" * 5000 + b'"}\n', "plan_altered"),
        (b'{"kind":"planfile","format_version":"1.0","x":' + b"[" * 100_000 + b"\n", "plan_altered"),
    ],
)
def test_what_is_no_plan_is_told_apart(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(ChargeplanError) as caught:
        read_plan(tmp_path / "p")
    assert (caught.value.code, caught.value.exit_code) == (code, 5 if code == "plan_altered" else 1)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ChargeplanError) as caught:
        read_plan(tmp_path / "p")
    assert caught.value.code == "plan_not_found"
    with pytest.raises(ChargeplanError) as caught:
        read_plan(tmp_path)
    assert caught.value.code == "plan_unreadable"


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    for path in (tmp_path / "p", Path("/dev/zero")):
        with pytest.raises(ChargeplanError, match="it is no regular file") as caught:
            read_plan(path)
        assert caught.value.code == "plan_unreadable"


@pytest.mark.parametrize("filling", [b" " * 1_000_000, b"{}\n" * 300_000], ids=["one line", "many lines"])
def test_a_packed_plan_that_unpacks_to_300_mb_costs_little_memory(tmp_path: Path, filling: bytes) -> None:
    save(tmp_path / "good.plan")
    head = (tmp_path / "good.plan").read_bytes().splitlines(keepends=True)[0]
    bomb = gzip.compress(head) + gzip.compress(filling) * (300_000_000 // len(filling))
    (tmp_path / "p.plan.gz").write_bytes(bomb)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StalePlanError):
        read_plan(tmp_path / "p.plan.gz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_what_is_saved_through_a_link_is_written_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "p.plan", tmp_path / "p.plan"
    link.symlink_to(target)
    with pytest.raises(ChargeplanError, match="link to nowhere"):
        save(link)
    target.write_text("before")
    expected = save(link)
    assert link.is_symlink()
    assert read_plan(target) == expected


# --- whole or not at all -------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.plan"
    path.write_text("before")

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole.os, "fsync", refuse)
    with pytest.raises(ChargeplanError, match="No space left") as caught:
        save(path)
    assert caught.value.code == "plan_not_saved"
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_or_folder_is_not_replaced(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null"), tmp_path / "missing" / "p.plan"):
        with pytest.raises(ChargeplanError):
            save(path)
    assert not Path("/dev/null").is_file()


# --- the digest ----------------------------------------------------------------------------------------------------


def test_the_digest_is_of_the_plan_and_not_of_the_run() -> None:
    plan = full()
    dearer = tuple(msgspec.structs.replace(mark, requests=99, records=9999) for mark in plan.observed)
    again = msgspec.structs.replace(plan, plan_id="01JOTHER", observed=dearer)
    turned = msgspec.structs.replace(
        ORIGIN, properties=ORIGIN.properties[::-1], inputs=dict(reversed(ORIGIN.inputs.items()))
    )
    assert digest(plan) == digest(again, turned, created_at="2027-08-02T09:00:00.000Z")
    assert digest(plan).startswith("sha256:")


@pytest.mark.parametrize("facts", [
    {"planned_by": "eve"}, {"expires_at": "2037-08-09T08:00:00.000Z"}, {"allowances": ()},
])  # fmt: skip
def test_the_digest_covers_who_planned_and_until_when_it_is_good(facts: dict[str, object]) -> None:
    assert digest(full(), **facts) != digest(full())


def test_the_digest_covers_all_that_a_reviewer_is_shown() -> None:
    """Whatever of the change set the reviewer's screen is made from: one by one, each is emptied."""
    plan = full()
    names = (
        "allocations",
        "guards",
        "diagnostics",
        "property_names",
        "previous",
        "unused_rows",
        "before",
        "skips",
    )
    emptied = {name: type(getattr(plan, name))() for name in names if getattr(plan, name)}
    emptied["changes"] = tuple(each for each in plan.changes if each.action != "hold")
    assert {"changes", "guards", "diagnostics", "skips"} <= emptied.keys()
    for name, less in emptied.items():
        assert digest(msgspec.structs.replace(plan, **{name: less})) != digest(plan), name


@pytest.mark.parametrize("facts", [{"planned_by": "eve"}, {"expires_at": "2037-08-09T08:00:00.000Z"}])
def test_a_new_seal_does_not_hide_another_planner_nor_a_later_end(
    tmp_path: Path, facts: dict[str, object]
) -> None:
    header = save(tmp_path / "p").header
    write_plan(tmp_path / "p", msgspec.structs.replace(header, **facts), full())
    with pytest.raises(StalePlanError, match="digest"):
        read_plan(tmp_path / "p")


def test_a_new_seal_does_not_hide_a_guard_that_refused(tmp_path: Path) -> None:
    header = save(tmp_path / "p").header
    write_plan(tmp_path / "p", header, msgspec.structs.replace(full(), guards=()))
    with pytest.raises(StalePlanError, match="digest"):
        read_plan(tmp_path / "p")


@pytest.mark.parametrize(
    "origin",
    [
        msgspec.structs.replace(ORIGIN, api_host="localhost"),
        msgspec.structs.replace(ORIGIN, journal_id="journal-2"),
        msgspec.structs.replace(ORIGIN, options=PlanOptions()),
        msgspec.structs.replace(ORIGIN, inputs={"plans/oak-street.yaml": "ab", "chargeplan.yaml": "bb"}),
        msgspec.structs.replace(ORIGIN, properties=ORIGIN.properties[:1]),
    ],
)
def test_the_digest_covers_what_the_plan_was_made_from(origin: Origin) -> None:
    assert digest(full(), origin) != digest(full())


@pytest.mark.parametrize(
    "facts",
    [
        {"amount": 3501},
        {"description": "Other"},
        {"resident_id": "resident-x"},
        {"action": "correct"},
        {"charge_code_id": "code-x"},
    ],
)
def test_the_digest_covers_what_would_be_posted(facts: dict[str, object]) -> None:
    plain, other = change("create"), msgspec.structs.replace(change("create"), **facts)
    assert digest(change_set(plain)) != digest(change_set(other))
