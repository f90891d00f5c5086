"""Approvals beside a plan file: real keys, real files, and entries that are not what they say."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from chargeplan.core.approval import Approval, ApprovedPlan, fingerprint, write_key
from chargeplan.core.errors import ChargeplanError
from chargeplan.planfile.approvals import (
    add_approval,
    beside,
    read_approvals,
    read_private_key,
    subject_of,
    write_new_key,
)
from chargeplan.planfile.codec import read_plan
from chargeplan.planfile.keys import is_signed, read_private
from tests.planfile.test_seal import save

PLAN = ApprovedPlan(
    plan_id="plan-1",
    digest="sha256:aa",
    environment="production",
    api_host="api.propexo.com",
    journal_id="journal-1",
    planned_by="kim",
    count=12,
    amount=6_000_000,
)
APPROVAL = Approval(
    PLAN,
    "Ada",
    datetime(2027, 8, 2, 9, tzinfo=UTC),
    datetime(2027, 8, 5, 9, tzinfo=UTC),
    "looked at the totals",
)


def unasked() -> str:
    raise AssertionError("nobody is to be asked")


def pem(key, passphrase: bytes | None = None) -> bytes:
    protection = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


@pytest.fixture(scope="module")
def ada():
    return read_private(pem(Ed25519PrivateKey.generate()), unasked)


@pytest.fixture
def keys(ada):
    return {"Ada": write_key(ada.public)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.plan.approvals"


@pytest.fixture
def entry(path, ada):
    """A good entry, as a document that a test may alter."""
    add_approval(path, APPROVAL, ada)
    document = json.loads(path.read_text())
    path.unlink()
    return document


def faults(path: Path, keys) -> list[str]:
    return [each.fault for each in read_approvals(path, keys)]


def test_what_was_signed_is_read_and_verified(path, ada, keys):
    add_approval(path, APPROVAL, ada)
    (found,) = read_approvals(path, keys)
    assert (found.line, found.approval, found.fault) == (1, APPROVAL, "")
    assert found.key == fingerprint(ada.public)


def test_the_file_is_its_owners_alone_and_named_after_the_plan(tmp_path, ada):
    path = beside(tmp_path / "august.plan.gz")
    add_approval(path, APPROVAL, ada)
    assert path.name == "august.plan.gz.approvals"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_file_is_no_approval(path, keys):
    assert read_approvals(path, keys) == ()


def test_two_files_put_together_are_one(tmp_path, path, ada, keys):
    one, other = tmp_path / "one", tmp_path / "other"
    add_approval(one, APPROVAL, ada)
    add_approval(other, replace(APPROVAL, reason="again"), ada)
    path.write_bytes(one.read_bytes() + other.read_bytes())
    assert [each.approval.reason for each in read_approvals(path, keys)] == ["looked at the totals", "again"]


def test_many_people_at_once_lose_nothing(path, ada, keys):
    reasons = [f"reason {number}" for number in range(40)]
    threads = [
        threading.Thread(target=add_approval, args=(path, replace(APPROVAL, reason=reason), ada))
        for reason in reasons
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = read_approvals(path, keys)
    assert {each.fault for each in found} == {""}
    assert sorted(each.approval.reason for each in found) == sorted(reasons)


def test_a_torn_line_does_not_swallow_the_next(path, ada, keys):
    path.write_bytes(b'{"approval":{"plan":{"pl')
    add_approval(path, APPROVAL, ada)
    assert faults(path, keys) == ["unreadable", ""]


def test_the_bytes_that_are_signed_are_these_for_ever(entry, ada):
    """An approval signed today must be verified by the versions of years to come."""
    signed = (
        b"chargeplan approval 1\n"
        b'{"plan":{"plan_id":"plan-1","digest":"sha256:aa","environment":"production","api_host":"api.propexo.com",'
        b'"journal_id":"journal-1","planned_by":"kim","count":12,"amount":6000000},"approver":"Ada",'
        b'"approved_at":"2027-08-02T09:00:00Z","expires_at":"2027-08-05T09:00:00Z","reason":"looked at the totals"}'
    )
    assert is_signed(ada.public, base64.b64decode(entry["signature"]), signed)


def test_a_signature_of_the_same_words_for_another_purpose_is_none(path, entry, ada, keys):
    words = msgspec.json.encode(APPROVAL, order="deterministic")
    entry["signature"] = base64.b64encode(ada.sign(words)).decode()
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["forged"]


# --- hostile files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field", ["plan_id", "digest", "environment", "api_host", "journal_id", "planned_by"]
)
def test_a_plan_put_into_another_ones_approval_is_not_signed(path, entry, keys, field):
    entry["approval"]["plan"][field] = "other"
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["forged"]


@pytest.mark.parametrize("field", ["count", "amount"])
def test_altered_totals_are_not_signed(path, entry, keys, field):
    entry["approval"]["plan"][field] += 1
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["forged"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("expires_at", "2099-01-01T00:00:00Z"), ("approved_at", "2027-08-02T09:00:01Z"), ("reason", "")],
)
def test_an_altered_approval_is_not_signed(path, entry, keys, field, value):
    entry["approval"][field] = value
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["forged"]


def test_an_approval_under_another_approvers_name_is_not_signed(path, entry, keys):
    keys["Ben"] = write_key(read_private(pem(Ed25519PrivateKey.generate()), unasked).public)
    entry["approval"]["approver"] = "Ben"
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["forged"]


def test_a_key_that_the_configuration_does_not_have_signs_nothing(path, keys):
    stranger = read_private(pem(Ed25519PrivateKey.generate()), unasked)
    add_approval(path, APPROVAL, stranger)
    assert faults(path, keys) == ["forged"]


def test_an_approver_that_the_configuration_does_not_have_is_unknown(path, ada):
    add_approval(path, APPROVAL, ada)
    assert faults(path, {}) == ["unknown"]


@pytest.mark.parametrize("signature", ["", "!", "AAAA", "A" * 88, "é" * 64, "=" * 88])
def test_what_is_no_signature_signs_nothing(path, entry, keys, signature):
    entry["signature"] = signature
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["forged"]


MALFORMED = [
    b"nonsense",
    b"{}",
    b"[]",
    b"null",
    b'{"approval":null,"key":"","signature":""}',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"approval":' * 20_000,
]


@pytest.mark.parametrize("line", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_entry_is_passed_over(path, ada, keys, line):
    path.write_bytes(line + b"\n")
    add_approval(path, APPROVAL, ada)
    assert faults(path, keys) == ["unreadable", ""]


@pytest.mark.parametrize(
    "where",
    [lambda e: e, lambda e: e["approval"], lambda e: e["approval"]["plan"]],
    ids=["entry", "approval", "plan"],
)
def test_a_word_that_nobody_signed_makes_no_entry(path, entry, keys, where):
    """`"amount_limit": 5` in a later version's approval would be a condition that this version does not know."""
    where(entry)["also"] = 1
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["unreadable"]


@pytest.mark.parametrize("moment", ["2027-08-02T09:00:00", "yesterday", 5, None])
def test_a_moment_without_its_zone_is_none(path, entry, keys, moment):
    entry["approval"]["expires_at"] = moment
    path.write_text(json.dumps(entry))
    assert faults(path, keys) == ["unreadable"]


def test_a_huge_file_is_refused_unread(path, keys):
    path.write_bytes(b"\n" * 300_000)
    with pytest.raises(ChargeplanError, match="it has more than 262 kB") as caught:
        read_approvals(path, keys)
    assert caught.value.code == "approvals_unreadable"


def test_a_folder_or_a_pipe_in_its_place_is_refused(tmp_path, path, ada, keys):
    os.mkfifo(path)
    for refused in (lambda: read_approvals(path, keys), lambda: add_approval(path, APPROVAL, ada)):
        with pytest.raises(ChargeplanError):
            refused()
    with pytest.raises(ChargeplanError, match="can't be read"):
        read_approvals(tmp_path, keys)


def test_the_subject_is_the_plan_files_own(tmp_path):
    """2 creates of 15.81 and 35.00, a correction, and so on: what `to_post` has, signed for its place and planner."""
    save(tmp_path / "x.plan")
    plan = read_plan(tmp_path / "x.plan")
    subject = subject_of(plan)
    assert subject.count == len([c for c in plan.change_set.changes if c.action in ("create", "correct")])
    assert subject.amount == sum(
        c.amount for c in plan.change_set.changes if c.action in ("create", "correct")
    )
    assert (subject.journal_id, subject.api_host, subject.environment) == (
        "journal-1",
        "api.propexo.com",
        "production",
    )


# --- private keys --------------------------------------------------------------------------------------------------


def test_a_new_key_signs_what_its_public_half_verifies(tmp_path):
    public = write_new_key(tmp_path / "ada.key", "")
    signer = read_private_key(tmp_path / "ada.key", unasked)
    assert signer.public == public
    assert is_signed(public, signer.sign(b"x"), b"x")
    assert not is_signed(public, signer.sign(b"x"), b"y")
    assert stat.S_IMODE((tmp_path / "ada.key").stat().st_mode) == 0o600


def test_a_new_key_is_never_written_over_a_file(tmp_path):
    (tmp_path / "ada.key").write_text("precious")
    with pytest.raises(ChargeplanError, match="already"):
        write_new_key(tmp_path / "ada.key", "")
    assert (tmp_path / "ada.key").read_text() == "precious"


def test_a_key_with_a_passphrase_asks_for_it(tmp_path):
    public = write_new_key(tmp_path / "ada.key", "correct horse")
    assert read_private_key(tmp_path / "ada.key", lambda: "correct horse").public == public
    for wrong in ("battery staple", ""):
        with pytest.raises(ChargeplanError, match="passphrase does not open"):
            read_private_key(tmp_path / "ada.key", lambda wrong=wrong: wrong)


def test_a_key_that_others_can_read_is_refused(tmp_path):
    write_new_key(tmp_path / "ada.key", "")
    (tmp_path / "ada.key").chmod(0o640)
    with pytest.raises(ChargeplanError, match="Others can read"):
        read_private_key(tmp_path / "ada.key", unasked)


@pytest.mark.parametrize(
    "content", [b"", b"s3cret", pem(X25519PrivateKey.generate())], ids=["empty", "text", "x25519"]
)
def test_what_is_no_signing_key_is_refused_and_not_repeated(content):
    with pytest.raises(ChargeplanError) as caught:
        read_private(content, unasked)
    assert caught.value.code == "key_unreadable"
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


def test_openssl_verifies_our_keys(tmp_path):
    """Anybody's tools read them: PKCS8 in PEM."""
    public = write_new_key(tmp_path / "ada.key", "")
    told = subprocess.run(
        ["openssl", "pkey", "-in", tmp_path / "ada.key", "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    )
    assert told.stdout[-32:] == public


# --- without the extra ---------------------------------------------------------------------------------------------

WITHOUT = """
import sys
sys.modules["cryptography"] = None
from chargeplan.planfile import keys
from chargeplan.core.errors import ChargeplanError
for call in (lambda: keys.new_key(""), lambda: keys.read_private(b"", str), lambda: keys.is_signed(b"", b"", b"")):
    try:
        call()
    except ChargeplanError as error:
        print(error.code, error.hint)
"""


def test_without_the_package_every_use_says_how_to_install_it():
    told = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    said = "approvals_missing Install it with `pip install 'chargeplan[approvals]'`."
    assert told.stdout.splitlines() == [said] * 3


def test_the_package_is_not_loaded_before_it_is_used():
    """`apply` and `plan` of those who need no approvals neither wait for it nor need it."""
    program = "import sys, chargeplan.cli.applying, chargeplan.cli.main; print('cryptography' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
