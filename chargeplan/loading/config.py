"""``chargeplan.yaml`` as a `Config` (interface.md, *Configuration*)."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

from chargeplan.core.approval import read_key, write_key
from chargeplan.core.config import (
    Approvals,
    Approver,
    Config,
    Environment,
    Guards,
    PostingConfig,
    PropertyConfig,
)
from chargeplan.core.dates import DateUnit
from chargeplan.core.diagnostic import Place
from chargeplan.core.suggest import did_you_mean
from chargeplan.loading.build import timezone, version
from chargeplan.loading.check import (
    Fields,
    Reader,
    Spot,
    boolean,
    choice,
    date,
    entry_spot,
    integer,
    list_of,
    slug,
    text,
)
from chargeplan.loading.integrations import Systems
from chargeplan.loading.integrations import reader_of as integration_reader
from chargeplan.loading.node import Mapping, Problems, Scalar
from chargeplan.loading.values import length, money_or_zero

T = TypeVar("T")

CONFIG_KEYS = (
    "version", "environment", "environments", "integrations", "properties", "plans", "timezone", "lead_days", "correct_back",
    "missed", "early_days",
    "closed_through", "personal_data", "plan_ttl", "posting", "guards", "approvals",
)  # fmt: skip
ENVIRONMENT_KEYS = (
    "api",
    "token_env",
    "journal",
    "journal_env",
    "journal_allow_async",
    "requests_per_minute",
    "ca_file",
    "proxy",
)
PROPERTY_KEYS = ("id", "integration")
GUARD_KEYS = (
    "max_charges", "max_total", "max_charge", "max_per_resident", "max_change", "max_missing", "min_coverage", "far_window",
)  # fmt: skip
POSTING_KEYS = ("batch_size", "parallel")
APPROVAL_KEYS = ("required", "above", "valid_for", "approvers")
APPROVER_KEYS = ("name", "key", "accounts")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def build_config(root: Mapping, path: Path, systems: Systems, problems: Problems) -> Config | None:
    """The configuration in the tree of the file at ``path``; None, and errors, where it is not good enough to use."""
    before = problems.error_count
    fields = Fields(Spot(root, "the configuration", problems), root, CONFIG_KEYS)
    version(fields)
    environments = _environments(fields)
    integrations = fields.optional("integrations", _by_alias(integration_reader(systems)), {})
    properties = fields.optional("properties", _by_alias(_property), {})
    config = Config(
        root=str(path.parent),
        file=path.name,
        environment=_default_environment(fields, environments),
        environments=environments,
        integrations=integrations,
        properties=properties,
        **_settings(fields),  # type: ignore[arg-type]  # by field, each from its key's reader
    )
    _check_ids(fields, config)
    return config if problems.error_count == before else None


def _settings(fields: Fields) -> dict[str, object]:
    default_back: tuple[int, DateUnit] = (2, "months")
    return {
        "plans": fields.optional(
            "plans", list_of(_pattern, "a list of file patterns, such as `[plans/*.yaml]`"), ("plans/*.yaml",)
        ),
        "timezone": fields.optional("timezone", timezone, "UTC"),
        "lead_days": fields.optional("lead_days", integer(0, 366, "a number of days from 0 to 366"), 0),
        "correct_back": fields.optional("correct_back", length(0), default_back),
        "posts_missed": fields.optional("missed", choice("report", "post"), "report") == "post",
        "early_days": fields.optional("early_days", integer(0, 60, "a number of days from 0 to 60"), 7),
        "closed_through": fields.optional("closed_through", date, None),
        "personal_data": fields.optional("personal_data", boolean, False),
        "plan_ttl_days": fields.optional("plan_ttl", _days, 7),
        "posting": fields.optional("posting", _posting, PostingConfig()),
        "guards": fields.optional("guards", _guards, Guards()),
        "approvals": fields.optional("approvals", _approvals, Approvals()),
    }


def _by_alias(reader: Reader[T]) -> Reader[dict[str, T]]:
    """A reader of mappings from aliases to what ``reader`` reads."""

    def read(spot: Spot) -> dict[str, T] | None:
        if not isinstance(spot.node, Mapping):
            spot.wrong("a mapping of names")
            return None
        found: dict[str, T] = {}
        for entry in spot.node.entries:
            slug(Spot(entry.key, f"a name in {spot.label}", spot.problems))
            value = reader(entry_spot(entry, spot.problems))
            if value is not None:
                found[entry.key.raw] = value
        return found

    return read


def _alias(spot: Spot) -> str:
    return spot.label.strip("`")


def _pattern(spot: Spot) -> str | None:
    written = text(spot)
    if written is not None and (Path(written).is_absolute() or ".." in Path(written).parts):
        spot.error(f"`{written}` lies outside the project.", "Write a pattern below the folder of this file.")
        return None
    parts = () if written is None or "\0" in written else Path(written).parts
    if written is not None and (not parts or any("**" in part and part != "**" for part in parts)):
        spot.wrong("a pattern such as `plans/*.yaml`, with `**` for folders of any depth")
        return None
    return written


def _days(spot: Spot) -> int | None:
    """``7 days``, ``2 weeks``, or a number of days."""
    raw = spot.node.raw if isinstance(spot.node, Scalar) else ""
    match = re.fullmatch(r"(\d{1,3})(?:\s+(day|week)s?)?", raw.strip(), re.ASCII)
    if match is None or int(match[1]) == 0:
        spot.wrong("a length of time, such as `7 days`")
        return None
    return int(match[1]) * (7 if match[2] == "week" else 1)


# --- environments ------------------------------------------------------------------------------------------------


def _environments(fields: Fields) -> dict[str, Environment]:
    if not fields.has("environments"):
        fields.missing("environments", "For example `environments: {sandbox: {api: embedded}}`.")
        return {}
    found = fields.required("environments", _by_alias(_environment)) or {}
    spot = fields.at("environments")
    if spot is not None and isinstance(spot.node, Mapping) and not spot.node.entries:
        spot.wrong("at least one environment", "For example `sandbox: {api: embedded}`.")
    _check_journals(fields, found)
    return found


def _check_journals(fields: Fields, found: dict[str, Environment]) -> None:
    """One journal for two environments: what was posted in the one would count as posted in the other."""
    first: dict[str, Environment] = {}
    for each in found.values():
        if each.journal_env is not None:
            continue  # what the variable holds is known when it is read; the journal itself tells then
        place = posixpath.normpath(each.journal or f".chargeplan/{each.name}.db")
        other = first.setdefault(place, each)
        if other is not each:
            fields.problems.error(
                each.place,
                f"The environments `{other.name}` and `{each.name}` have the same journal.",
                "Give each a journal of its own: what was posted in the one would count as posted in the other.",
            )


def _environment(spot: Spot) -> Environment | None:
    if isinstance(spot.node, Mapping) and (token := spot.node.get("token")):
        spot.problems.conceal(token.value.place)
        spot.problems.conceal(token.key.place)
        spot.problems.error(
            token.key.place,
            "A token is never written in a file.",
            "Write `token_env:` with the name of the variable that holds it, and revoke this one.",
        )
        return None
    fields = Fields.open(spot, ENVIRONMENT_KEYS)
    if fields is None:
        return None
    api = fields.required("api", _api)
    token_env = fields.optional("token_env", _variable, None)
    journal = fields.optional("journal", _journal, None)
    journal_env = fields.optional("journal_env", _variable, None)
    allow_async = fields.optional("journal_allow_async", boolean, False)
    requests = fields.optional(
        "requests_per_minute", integer(1, 100_000, "a number of requests a minute"), 150
    )
    if fields.has("journal") and fields.has("journal_env"):
        fields.problems.error(
            fields.key_place("journal_env"),
            "An environment has one journal: `journal` or `journal_env`.",
            "Delete one of them.",
        )
    if api is None:
        return None
    if api != "embedded" and not fields.has("token_env"):
        fields.missing(
            "token_env", "Write the name of the variable that holds the token: `token_env: PROPEXO_TOKEN`."
        )
    return Environment(
        name=_alias(spot),
        api=api,
        place=spot.key,
        token_env=token_env,
        journal=journal,
        journal_env=journal_env,
        requests_per_minute=requests,
        journal_allow_async=allow_async,
        ca_file=fields.optional("ca_file", text, None),
        proxy=fields.optional("proxy", _proxy_for(api), None),
    )


def _proxy_for(api: str) -> Reader[str]:
    """A reader of the proxy's address. A request to an ``http:`` address would show the token to the proxy, so it is here too."""

    def read(spot: Spot) -> str | None:
        parts = _address(text(spot) or "")
        if parts is None or parts.path.strip("/") or parts.query or parts.fragment:
            spot.wrong("an address such as `http://proxy.example:3128`")
            return None
        if parts.username or parts.password:
            spot.problems.conceal(spot.node.place)
            spot.error(
                f"{spot.label}: a name or password of the proxy's is never written in a file.",
                "Name a proxy that lets this machine pass without one.",
            )
            return None
        if api.startswith("http:") and not _is_loopback(parts.hostname or ""):
            spot.error(
                "A token must not travel over `http:` to a proxy elsewhere.",
                "Write an `https:` address in `api`.",
            )
            return None
        return text(spot)

    return read


def _address(url: str) -> SplitResult | None:
    """The parts of an ``http:`` or ``https:`` address; None where it is none."""
    try:
        parts = urlsplit(url)
        is_good = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts if is_good and parts.scheme in {"http", "https"} and parts.hostname else None


def _api(spot: Spot) -> str | None:
    url = text(spot)
    if url is None or url == "embedded":
        return url
    parts = _address(url)
    if parts is None:
        spot.wrong("`embedded` or an address such as `https://api.propexo.com`")
        return None
    if parts.username or parts.password or parts.query or parts.fragment:
        spot.problems.conceal(spot.node.place)
        spot.error(
            f"{spot.label}: the address holds more than a host and a path.",
            "A token goes into the variable that `token_env` names.",
        )
        return None
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        spot.error(
            "A token must not travel over `http:`.", "Write `https:`; `http:` is for this machine only."
        )
        return None
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _variable(spot: Spot) -> str | None:
    name = text(spot)
    if name is None or _VARIABLE.fullmatch(name):
        return name
    # What was written instead of a name may be the secret itself: it is not repeated.
    spot.problems.conceal(spot.node.place)
    spot.error(
        f"{spot.label} takes the name of an environment variable.",
        "For example `PROPEXO_TOKEN`; never the value itself.",
    )
    return None


def _journal(spot: Spot) -> str | None:
    written = text(spot)
    if written is None or "://" not in written:
        return written
    try:
        parts = urlsplit(written)
        has_password = bool(parts.password) or bool(
            {"password", "sslpassword"} & parse_qs(parts.query).keys()
        )
    except ValueError:
        has_password = True
    if has_password:
        spot.problems.conceal(spot.node.place)
        spot.error(
            "The journal's address has a password in it.",
            "Put the address into a variable, and write its name: `journal_env: NAME`; or leave the password to "
            "PGPASSWORD or to ~/.pgpass.",
        )
        return None
    return written


def _default_environment(fields: Fields, environments: dict[str, Environment]) -> str:
    """The named one, else the only one, else none: then ``--env`` has to say."""
    spot = fields.at("environment")
    if spot is None:
        return next(iter(environments)) if len(environments) == 1 else ""
    name = text(spot)
    written = fields.mapping.get("environments")
    names = (
        [entry.key.raw for entry in written.value.entries]
        if written and isinstance(written.value, Mapping)
        else []
    )
    if name is not None and name not in names:
        spot.error(f"There is no environment `{name}`.", did_you_mean(name, names, otherwise="There are"))
    return name or ""


# --- integrations and properties ---------------------------------------------------------------------------------


def _property(spot: Spot) -> PropertyConfig | None:
    fields = Fields.open(spot, PROPERTY_KEYS)
    if fields is None:
        return None
    propexo_id = fields.required("id", text)
    integration = fields.required("integration", text)
    if propexo_id is None or integration is None:
        return None
    return PropertyConfig(_alias(spot), propexo_id, integration, fields.value_place("integration"))


def _check_ids(fields: Fields, config: Config) -> None:
    """An id has one alias, and a property's integration is one of the file's."""
    written = fields.mapping.get("integrations")
    aliases = (
        [entry.key.raw for entry in written.value.entries]
        if written and isinstance(written.value, Mapping)
        else []
    )
    for each in config.properties.values():
        if each.integration not in aliases:
            summary = f"There is no integration `{each.integration}` in this file."
            fields.problems.error(
                each.place, summary, did_you_mean(each.integration, aliases, otherwise="There are")
            )
    seen: dict[str, str] = {}
    for found in config.integrations.values():
        first = seen.setdefault(found.id, found.alias)
        if first != found.alias:
            fields.problems.error(
                found.place, f"`{found.alias}` has the same id as `{first}`.", "Keep one of them."
            )
    owners: dict[tuple[str, str], str] = {}
    for each in config.properties.values():
        first = owners.setdefault((each.integration, each.id), each.alias)
        if first != each.alias:
            fields.problems.error(
                each.place, f"`{each.alias}` has the same id as `{first}`.", "Keep one of them."
            )


# --- posting, guards, approvals ----------------------------------------------------------------------------------


def _posting(spot: Spot) -> PostingConfig | None:
    fields = Fields.open(spot, POSTING_KEYS)
    if fields is None:
        return None
    size = fields.optional("batch_size", integer(1, 1000, "a number of lines from 1 to 1000"), 200)
    return PostingConfig(
        size, fields.optional("parallel", integer(1, 32, "a number of properties from 1 to 32"), 4)
    )


def _guards(spot: Spot) -> Guards | None:
    fields = Fields.open(spot, GUARD_KEYS)
    if fields is None:
        return None
    return Guards(
        max_charges=fields.optional("max_charges", integer(0, 10_000_000, "a number of charges"), None),
        max_total=fields.optional("max_total", money_or_zero, None),
        max_charge=fields.optional("max_charge", money_or_zero, None),
        max_per_resident=fields.optional("max_per_resident", money_or_zero, None),
        max_change=fields.optional(
            "max_change", integer(0, 100_000, "a whole percentage, such as `25`"), None
        ),
        max_missing=fields.optional("max_missing", integer(0, 100, "a whole percentage from 0 to 100"), None),
        far_window=fields.optional("far_window", _days, None),
        min_coverage=fields.optional(
            "min_coverage", integer(0, 100, "a whole percentage from 0 to 100"), None
        ),
    )


def _approvals(spot: Spot) -> Approvals | None:
    """How many of whom; ``required`` has to be written, or a list of approvers would look like a rule and be none."""
    fields = Fields.open(spot, APPROVAL_KEYS)
    if fields is None:
        return None
    before = spot.problems.error_count
    required = fields.required("required", integer(0, 10, "a number of people from 0 to 10")) or 0
    above = fields.optional("above", money_or_zero, 0)
    hours = fields.optional("valid_for", _hours, 72)
    approvers = fields.optional(
        "approvers", list_of(_approver, "a list of `{name, key}`", empty=True), tuple[_Written, ...]()
    )
    _check_people(spot, approvers)
    if required > len(approvers) and spot.problems.error_count == before:
        fields.problems.error(
            fields.key_place("required"),
            f"{required} approvals are required of {len(approvers)} approvers.",
            "Add approvers, or lower the number.",
        )
    return Approvals(required, above, hours, tuple(each.approver for each in approvers))


class _Written(msgspec.Struct, frozen=True):
    approver: Approver
    place: Place


def _approver(spot: Spot) -> _Written | None:
    fields = Fields.open(spot, APPROVER_KEYS)
    if fields is None:
        return None
    name, key = fields.required("name", text), fields.required("key", _public_key)
    accounts = fields.optional("accounts", list_of(text, "a list of names, such as `[pat-s]`"), ())
    if name is None or key is None:
        return None
    return _Written(Approver(name.strip(), key, accounts), fields.value_place("name"))


def _check_people(spot: Spot, approvers: Sequence[_Written]) -> None:
    """One person is one approver: under a second name or with the same key their word would count twice."""
    names: set[str] = set()
    keys: dict[str, str] = {}
    for each in approvers:
        found = each.approver
        other = keys.setdefault(found.key, found.name)
        for name in dict.fromkeys(word.casefold() for word in (found.name, *found.accounts)):
            if name in names:
                spot.problems.error(
                    each.place,
                    f"Two approvers are called `{name}`.",
                    "Keep one of them: a person counts once.",
                )
            names.add(name)
        if other != found.name:
            spot.problems.error(
                each.place,
                f"`{found.name}` has the same key as `{other}`.",
                "Each approver has a key of their own.",
            )


def _hours(spot: Spot) -> int | None:
    """``72 hours`` or ``3 days``, up to 90 days."""
    raw = spot.node.raw if isinstance(spot.node, Scalar) else ""
    match = re.fullmatch(r"(\d{1,4})\s+(hour|day)s?", raw.strip(), re.ASCII)
    hours = 0 if match is None else int(match[1]) * (24 if match[2] == "day" else 1)
    if not 0 < hours <= 90 * 24:
        spot.wrong("a length of time up to 90 days, such as `72 hours`")
        return None
    return hours


def _public_key(spot: Spot) -> str | None:
    """The key as the core writes it, whichever way it is written here."""
    written = text(spot)
    if written is None:
        return None
    if "PRIVATE KEY" in written:
        spot.problems.conceal(spot.node.place)
        spot.error(
            "A private key is never written in a file of the project.",
            "Make a new pair with `chargeplan approve --new-key FILE`, and write its public key here.",
        )
        return None
    try:
        return write_key(read_key(written))
    except ValueError:
        spot.error(
            f"{spot.label} takes an Ed25519 public key, such as `ed25519:` and 44 characters.",
            "`chargeplan approve --new-key FILE` makes a pair of keys, and says what to write here.",
        )
        return None
