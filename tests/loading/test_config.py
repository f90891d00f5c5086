"""``chargeplan.yaml``: the contract's example, and each fault."""

import datetime as dt
from pathlib import Path

import pytest

from chargeplan.core.config import (
    Approvals,
    Approver,
    Environment,
    Guards,
    IntegrationConfig,
    PostingConfig,
    PropertyConfig,
)
from chargeplan.core.diagnostic import Place
from chargeplan.loading.project import load_config
from chargeplan.propexo.vendors import vendor
from tests.loading.helpers import told

EXAMPLE = (Path(__file__).parent / "good" / "chargeplan.txt").read_text(encoding="utf-8")
SMALL = "version: 1\nenvironments:\n  sandbox: {api: embedded}\n"


def load(tmp_path, text):
    path = tmp_path / "chargeplan.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, vendor)


def config(tmp_path, text):
    loaded = load(tmp_path, text)
    assert told(loaded.diagnostics) == []
    return loaded.config


def test_the_contracts_example(tmp_path):
    read = config(tmp_path, EXAMPLE)
    file = "chargeplan.yaml"
    assert (read.root, read.file, read.environment) == (str(tmp_path), file, "sandbox")
    assert read.environments == {
        "sandbox": Environment(name="sandbox", api="embedded", place=Place(file, 5, 3)),
        "production": Environment(
            name="production",
            api="https://api.propexo.com",
            place=Place(file, 7, 3),
            token_env="PROPEXO_TOKEN",
            journal=".chargeplan/production.db",
        ),
    }
    assert read.integrations == {
        "resman-main": IntegrationConfig(
            alias="resman-main",
            id="resman-integration-98765",
            place=Place(file, 13, 3),
            system=vendor("RESMAN"),
        )
    }
    assert read.properties == {
        "oak-street": PropertyConfig(
            "oak-street", "clwi5xiix000008l6ctdgafyh", "resman-main", Place(file, 21, 60)
        )
    }
    assert read.guards == Guards(max_charges=5000, max_total=60000000, max_charge=500000, max_change=25)
    assert (read.timezone, read.lead_days, read.correct_back) == ("America/Chicago", 0, (2, "months"))
    assert (read.closed_through, read.personal_data, read.plan_ttl_days, read.posting) == (
        dt.date(2027, 4, 30),
        False,
        7,
        PostingConfig(),
    )


def test_the_smallest(tmp_path):
    read = config(tmp_path, SMALL)
    assert (read.environment, read.plans, read.timezone, read.integrations) == (
        "sandbox",
        ("plans/*.yaml",),
        "UTC",
        {},
    )


# Public keys of RFC 8032, section 7.1, tests 1 and 2; the second as OpenSSL writes it too.
FIRST = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
SECOND = "ed25519:PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
SECOND_SPKI = "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
PEOPLE = "approvals: {required: 1, approvers: [%s]}\n"


def test_approvals(tmp_path):
    written = f"approvals: {{required: 1, above: 10000.00, valid_for: 2 days, approvers: [{{name: Ann, key: '{FIRST}', accounts: [ann-b]}}]}}\n"
    read = config(tmp_path, SMALL + written).approvals
    assert (read.required, read.above, read.valid_for_hours) == (1, 1000000, 48)
    assert read.approvers == (Approver("Ann", FIRST, ("ann-b",)),)


def test_no_approvals_are_required_by_default_and_one_is_valid_for_three_days(tmp_path):
    assert config(tmp_path, SMALL).approvals == Approvals(0, 0, 72, ())


@pytest.mark.parametrize(
    "key",
    [
        f"'{SECOND}'",
        f"'{SECOND.removeprefix('ed25519:')}'",
        f"'{SECOND_SPKI}'",
        f'"-----BEGIN PUBLIC KEY-----\\n{SECOND_SPKI}\\n-----END PUBLIC KEY-----\\n"',
    ],
    ids=["ours", "bare", "base64 of OpenSSL's", "PEM"],
)
def test_a_public_key_may_be_written_as_openssl_writes_it(tmp_path, key):
    read = config(tmp_path, SMALL + PEOPLE % f"{{name: Ann, key: {key}}}").approvals
    assert [each.key for each in read.approvers] == [SECOND]


def test_a_private_key_in_the_configuration_is_refused_and_not_shown(tmp_path):
    secret = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
    key = f'"-----BEGIN PRIVATE KEY-----\\n{secret}\\n-----END PRIVATE KEY-----"'
    loaded = load(tmp_path, SMALL + PEOPLE % f"{{name: Ann, key: {key}}}")
    assert [each.summary for each in loaded.diagnostics] == [
        "A private key is never written in a file of the project."
    ]
    assert secret not in str(loaded.diagnostics)


@pytest.mark.parametrize(("written", "days"), [("7 days", 7), ("2 weeks", 14), ("3", 3), ("1 day", 1)])
def test_plan_ttl(tmp_path, written, days):
    assert config(tmp_path, SMALL + f"plan_ttl: {written}\n").plan_ttl_days == days


@pytest.mark.parametrize(
    "api", ["http://127.0.0.1:8000", "http://localhost:9/x/", "http://[::1]:1", "https://api.propexo.com/"]
)
def test_good_apis(tmp_path, api):
    read = config(tmp_path, f"version: 1\nenvironments:\n  x: {{api: '{api}', token_env: T}}\n")
    assert read.environments["x"].api == api.rstrip("/")


ENVIRONMENT = "version: 1\nenvironments:\n  x: {%s}\n"
FAULTS = [
    ("", "1:1 error: The file is empty."),
    ("version: 1\n", "1:1 error: The configuration needs the key `environments`."),
    ("version: 1\nenvironments: {}\n", "2:15 error: `environments` takes at least one environment, not an empty mapping."),
    (SMALL + "enviroment: sandbox\n", "4:1 error: `enviroment` is not a key of the configuration."),
    (SMALL + "environment: sandbx\n", "4:14 error: There is no environment `sandbx`."),
    (ENVIRONMENT % "api: 'https://a.b'", "3:3 error: `x` needs the key `token_env`."),
    (ENVIRONMENT % "api: embedded, token: s3cr3t", "3:22 error: A token is never written in a file."),
    (ENVIRONMENT % "api: 'http://api.propexo.com', token_env: T", "3:12 error: A token must not travel over `http:`."),
    (ENVIRONMENT % "api: ftp, token_env: T", "3:12 error: `api` takes `embedded` or an address such as `https://api.propexo.com`, not `ftp`."),
    (ENVIRONMENT % "api: 'https://u:p@a.b', token_env: T", "3:12 error: `api`: the address holds more than a host and a path."),
    (ENVIRONMENT % "api: embedded, token_env: 'abc-def'", "3:33 error: `token_env` takes the name of an environment variable."),
    (ENVIRONMENT % "api: embedded, journal: a.db, journal_env: J", "3:37 error: An environment has one journal: `journal` or `journal_env`."),
    (ENVIRONMENT % "api: embedded, journal: 'postgresql://u:p@h/d'", "3:31 error: The journal's address has a password in it."),
    (ENVIRONMENT % "api: embedded, journal: 'postgres://u:p@h/d'", "3:31 error: The journal's address has a password in it."),
    (ENVIRONMENT % "api: embedded, journal: 'postgresql+psycopg://u:p@h/d'", "3:31 error: The journal's address has a password in it."),
    (ENVIRONMENT % "api: embedded, journal: 'postgresql://h/d?password=p'", "3:31 error: The journal's address has a password in it."),
    (ENVIRONMENT % "api: 'https://a.b', token_env: T, proxy: 'proxy.example:3128'", '3:48 error: `proxy` takes an address such as `http://proxy.example:3128`, not `"proxy.example:3128"`.'),
    (ENVIRONMENT % "api: 'https://a.b', token_env: T, proxy: 'http://u:p@proxy.example'", "3:48 error: `proxy`: a name or password of the proxy's is never written in a file."),
    (ENVIRONMENT % "api: 'http://localhost:8', token_env: T, proxy: 'http://proxy.example'", "3:55 error: A token must not travel over `http:` to a proxy elsewhere."),
    (ENVIRONMENT % "api: embedded, journal_allow_async: perhaps", "3:43 error: `journal_allow_async` takes `true` or `false`, not `perhaps`."),
    (ENVIRONMENT % "api: embedded, requests_per_minute: 0", "3:43 error: `requests_per_minute` takes a number of requests a minute, not `0`."),
    (SMALL + "integrations:\n  a: {vendor: RESMAN}\n", "5:3 error: `a` needs the key `id`."),
    (SMALL + "integrations:\n  a: {id: x, credits: yes}\n", "5:23 error: `credits` takes `hold` or `post`, not `yes`."),
    (SMALL + "integrations:\n  a: {id: x, vendor: BUILDIUM, credits: post}\n", "5:41 error: Propexo documents no way to post a credit to BUILDIUM."),
    (SMALL + "integrations:\n  a: {id: x, vendor: YARDI_REST, send: batch}\n", "5:40 error: Propexo takes only single charges for YARDI_REST."),
    (SMALL + "integrations:\n  a: {id: x, vendor: YARDI, reference_in: field}\n", "5:43 error: Charges of YARDI have no field for a reference."),
    (SMALL + "integrations:\n  a: {id: x, absence: proves}\n", "5:23 error: In RESMAN a charge may be on the ledger, or on its way there, and not be shown: its absence proves nothing."),
    (SMALL + "integrations:\n  a: {id: x, transaction_batch_id: T1}\n", "5:36 error: Charges of RESMAN take no transaction batch."),
    (SMALL + "integrations:\n  a: {id: x}\n  b: {id: x}\n", "6:3 error: `b` has the same id as `a`."),
    (SMALL + "integrations:\n  Main A: {id: x}\n", "5:3 error: A name in `integrations` takes a slug: small letters, digits and hyphens, 40 at most, not `Main A`."),
    (SMALL + "integrations: {a: {id: x}}\nproperties:\n  p: {id: y, integration: aa}\n", "6:27 error: There is no integration `aa` in this file."),
    (SMALL + "integrations: {a: {id: x}}\nproperties:\n  p: {id: y, integration: a}\n  q: {id: y, integration: a}\n", "7:27 error: `q` has the same id as `p`."),
    (SMALL + "plans: plans/*.yaml\n", "4:8 error: `plans` takes a list of file patterns, such as `[plans/*.yaml]`, not `plans/*.yaml`."),
    (SMALL + "plans: [../x/*.yaml]\n", "4:9 error: `../x/*.yaml` lies outside the project."),
    (SMALL + "timezone: Chicago\n", "4:11 error: There is no time zone `Chicago`."),
    (SMALL + "lead_days: -1\n", "4:12 error: `lead_days` takes a number of days from 0 to 366, not `-1`."),
    (SMALL + "correct_back: 2\n", "4:15 error: `correct_back` takes a length of time, such as `2 months` (days, weeks, months or years), not `2`."),
    (SMALL + "personal_data: no\n", "4:16 error: `personal_data` takes `true` or `false`, not `no`."),
    (SMALL + "plan_ttl: 0 days\n", "4:11 error: `plan_ttl` takes a length of time, such as `7 days`, not `0 days`."),
    (SMALL + "posting: {batch_size: 0}\n", "4:23 error: `batch_size` takes a number of lines from 1 to 1000, not `0`."),
    (SMALL + "guards: {max_total: 600000}\n", "4:21 error: `max_total`: `600000` could be dollars or cents."),
    (SMALL + "guards: {max_total: -1.00}\n", "4:21 error: `max_total` takes money that is not negative, not `-1.00`."),
    (SMALL + "guards: {max_changes: 25}\n", "4:10 error: `max_changes` is not a key of `guards`."),
    (SMALL + "guards: {min_coverage: 101}\n", "4:24 error: `min_coverage` takes a whole percentage from 0 to 100, not `101`."),
    (SMALL + f"approvals: {{required: 2, approvers: [{{name: a, key: '{FIRST}'}}]}}\n", "4:13 error: 2 approvals are required of 1 approvers."),
    (SMALL + f"approvals: {{approvers: [{{name: a, key: '{FIRST}'}}]}}\n", "4:1 error: `approvals` needs the key `required`."),
    (SMALL + "approvals: {required: 0, valid_for: 72}\n", "4:37 error: `valid_for` takes a length of time up to 90 days, such as `72 hours`, not `72`."),
    (SMALL + "approvals: {required: 0, valid_for: 91 days}\n", "4:37 error: `valid_for` takes a length of time up to 90 days, such as `72 hours`, not `91 days`."),
    (SMALL + PEOPLE % "{name: a, key: k}", "4:53 error: `key` takes an Ed25519 public key, such as `ed25519:` and 44 characters."),
    (SMALL + PEOPLE % f"{{name: a, key: '{FIRST}'}}, {{name: A, key: '{SECOND}'}}", "4:117 error: Two approvers are called `a`."),
    (SMALL + PEOPLE % f"{{name: a, key: '{FIRST}'}}, {{name: b, accounts: [A], key: '{SECOND}'}}", "4:117 error: Two approvers are called `a`."),
    (SMALL + PEOPLE % f"{{name: a, key: '{FIRST}'}}, {{name: b, key: '{FIRST}'}}", "4:117 error: `b` has the same key as `a`."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FAULTS, ids=[row[1][:70] for row in FAULTS])
def test_fault(tmp_path, text, expected):
    loaded = load(tmp_path, text)
    assert [f"{each.place} {each.severity}: {each.summary}" for each in loaded.diagnostics] == [
        f"chargeplan.yaml:{expected}"
    ]
    assert loaded.config is None


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path):
    for text in (
        ENVIRONMENT % "api: embedded, token: s3cr3t",
        ENVIRONMENT % "api: embedded, token_env: 's3cr3t!'",
    ):
        for each in load(tmp_path, text).diagnostics:
            assert "s3cr3t" not in each.summary + each.detail + each.excerpt


def test_all_faults_are_told_in_order_of_place(tmp_path):
    loaded = load(
        tmp_path, "version: 3\nenvironments: {a: {ap: embedded}}\nguards: {max_total: 1}\nzone: x\n"
    )
    assert [each.place.line for each in loaded.diagnostics] == [1, 2, 3, 4]


def test_a_missing_configuration(tmp_path):
    assert told(load_config(tmp_path / "chargeplan.yaml", vendor).diagnostics) == [
        "chargeplan.yaml:1:1 error: There is no file `chargeplan.yaml`."
    ]


@pytest.mark.parametrize(
    "other", ["journal: .chargeplan/sandbox.db", "journal: ./.chargeplan/x/../sandbox.db"]
)
def test_two_environments_never_share_a_journal(tmp_path, other):
    text = SMALL + f"  production: {{api: https://api.propexo.com, token_env: TOKEN, {other}}}\n"
    (problem,) = load(tmp_path, text).diagnostics
    assert problem.summary == "The environments `sandbox` and `production` have the same journal."
    assert (problem.place.line, problem.place.column) == (4, 3)
