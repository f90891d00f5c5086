"""`--trust`: the files of a pull request can't send a secret elsewhere, whichever variable holds it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chargeplan.cli.main import run
from chargeplan.cli.options import Common
from chargeplan.wiring import configured, environment
from tests.e2e.house import CONFIG, SMALL

TOKEN = "tok-9f1e2d3c4b5a"
PASSWORD = "postgresql://billing:pw-7c6d5e4f@127.0.0.1:1/billing"
AWS = "aws-0a1b2c3d4e5f"


@contextmanager
def elsewhere():
    """A host of somebody else's that writes down what it is told."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.hear()

        def do_POST(self):
            self.hear()

        def hear(self):
            heard.append(f"{self.path} {self.headers}")
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def pull(tmp_path, monkeypatch):
    """A reviewed configuration and a pull request's own, each in its folder; the secrets are in the environment."""
    config = CONFIG.format(
        url="https://api.propexo.com", date_tolerance=0, batch_size=200, credits="", more=""
    )
    config = config.replace("journal: .chargeplan/x.db", "journal_env: CHARGEPLAN_JOURNAL")
    reviewed, proposed = tmp_path / "reviewed", tmp_path / "proposed"
    for folder in (reviewed, proposed):
        (folder / "plans").mkdir(parents=True)
        (folder / "chargeplan.yaml").write_text(config)
        (folder / "plans" / "oak-street.yaml").write_text(SMALL)
    for name, value in (
        ("PROPEXO_TOKEN", TOKEN),
        ("CHARGEPLAN_JOURNAL", PASSWORD),
        ("AWS_SECRET_ACCESS_KEY", AWS),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(proposed)
    return reviewed, proposed


def propose(pull, old, new):
    path = pull[1] / "chargeplan.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("command", [["plan"], ["doctor"], ["reconcile"], ["journal", "where"]], ids="-".join)
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https://api.propexo.com", "{url}", "`api` is `{url}` here and `https://api.propexo.com` there"),
        ("PROPEXO_TOKEN", "CHARGEPLAN_JOURNAL", "`token_env` is `CHARGEPLAN_JOURNAL` here and `PROPEXO_TOKEN` there"),
        ("PROPEXO_TOKEN", "AWS_SECRET_ACCESS_KEY", "`token_env` is `AWS_SECRET_ACCESS_KEY` here"),
        ("journal_env: CHARGEPLAN_JOURNAL", "journal: x.db", "`journal` is `x.db` here and not set there"),
        ("journal_env: CHARGEPLAN_JOURNAL", "journal_env: PROPEXO_TOKEN", "`journal_env` is `PROPEXO_TOKEN` here"),
        ("journal_env:", "proxy: http://127.0.0.1:9\n    journal_env:", "`proxy` is `http://127.0.0.1:9` here and not set there"),
        ("journal_env:", "ca_file: mine.pem\n    journal_env:", "`ca_file` is `mine.pem` here and not set there"),
        ("live:\n    api", "other:\n    api", "there is no environment `other` in it"),
    ],
    ids=["host", "the journal's address as token", "another variable as token", "a journal of its own", "the token as address", "a proxy", "root certificates", "another name"],
)  # fmt: skip
def test_an_environment_that_nobody_reviewed_gets_nothing(pull, capsys, command, old, new, said):
    with elsewhere() as (url, heard):
        propose(pull, old, new.format(url=url))
        if "other" in new:
            propose(pull, "environment: live", "environment: other")
        ended = run([*command, "--trust", str(pull[0] / "chargeplan.yaml")])
    out, err = capsys.readouterr()
    assert (ended, heard) == (1, [])
    assert said.format(url=url) in " ".join(err.split())
    assert "Nothing was read or sent." in " ".join(err.split())
    for secret in (TOKEN, PASSWORD, "pw-7c6d5e4f", AWS):
        assert secret not in out + err


def test_the_variable_that_the_workflow_sets_does_the_same(pull, capsys, monkeypatch):
    monkeypatch.setenv("CHARGEPLAN_TRUST", str(pull[0] / "chargeplan.yaml"))
    propose(pull, "token_env: PROPEXO_TOKEN", "token_env: AWS_SECRET_ACCESS_KEY")
    assert run(["plan"]) == 1
    assert "AWS_SECRET_ACCESS_KEY` here" in " ".join(capsys.readouterr().err.split())


def test_what_sends_nothing_elsewhere_may_be_changed(pull, capsys):
    propose(pull, "requests_per_minute: 100000", "requests_per_minute: 90")
    propose(pull, "journal_env: CHARGEPLAN_JOURNAL", "journal_env: CHARGEPLAN_JOURNAL  # of the team")
    assert run(["journal", "where", "--trust", str(pull[0] / "chargeplan.yaml"), "--json"]) == 0
    assert "pw-7c6d5e4f" not in capsys.readouterr().out


def test_root_certificates_are_the_reviewed_ones(pull):
    """A file of the same name may have been changed by the pull request too."""
    for folder in pull:
        config = folder / "chargeplan.yaml"
        config.write_text(
            config.read_text().replace("journal_env:", "ca_file: company-ca.pem\n    journal_env:")
        )
    (pull[0] / "company-ca.pem").write_text("reviewed")
    (pull[1] / "company-ca.pem").write_text("changed")
    options = Common(
        config=None, env=None, color="never", quiet=True, as_json=False, log_level="error", log_format="text",
        trust=str(pull[0] / "chargeplan.yaml"),
    )  # fmt: skip
    where = environment(options, configured(options))
    assert Path(where.ca_file).read_text() == "reviewed"


def test_a_reviewed_configuration_that_is_not_there_trusts_nothing(pull, capsys):
    assert run(["plan", "--trust", str(pull[0] / "nothing.yaml")]) == 1
    assert "The reviewed configuration" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["chargeplan.yaml", "plans/oak-street.yaml", "plans/roster.csv"])
def test_a_link_out_of_the_project_is_not_read(pull, capsys, tmp_path, name):
    """As `/proc/self/environ` would be, which has every secret of the step."""
    secret = tmp_path / "environ"
    secret.write_text(f"PROPEXO_TOKEN={TOKEN}\n: [\n")
    if name.endswith("csv"):
        path = pull[1] / "plans" / "oak-street.yaml"
        path.write_text(
            path.read_text().replace("amount: 25.00", "amount: {from: roster.amount}\n    roster: roster.csv")
        )
    (pull[1] / name).unlink(missing_ok=True)
    (pull[1] / name).symlink_to(secret)
    assert run(["plan"]) == 1
    out, err = capsys.readouterr()
    assert "lies outside the project" in out + err
    assert TOKEN not in out + err
