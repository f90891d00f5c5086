"""The configuration as values (interface.md, *Configuration*)."""

from __future__ import annotations

from datetime import date

import msgspec

from chargeplan.core.dates import DateUnit
from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Plan


class Environment(msgspec.Struct, frozen=True):
    """Where to read and post. ``api`` is ``embedded`` or a URL; ``token_env`` names the variable with the token.

    ``journal`` is a path relative to the configuration or a ``postgresql://`` URL; ``journal_env`` names a variable
    that holds one. ``requests_per_minute`` is the contract's limit. ``journal_allow_async`` takes a server that may
    forget commits when it crashes.
    """

    name: str
    api: str
    place: Place
    token_env: str | None = None
    journal: str | None = None
    journal_env: str | None = None
    requests_per_minute: int = 150
    journal_allow_async: bool = False


class IntegrationConfig(msgspec.Struct, frozen=True):
    """One integration: its alias here, its id at Propexo, and what its system does to what is posted.

    ``date_tolerance`` and ``visible_within`` are days; lengths are characters.
    """

    alias: str
    id: str
    place: Place
    vendor: str = "RESMAN"
    posts_credits: bool = False
    date_tolerance: int = 0
    visible_within: int = 10
    max_description: int = 100
    max_notes: int = 500


class PropertyConfig(msgspec.Struct, frozen=True):
    """A property's short name; ``integration`` is an integration's alias."""

    alias: str
    id: str
    integration: str
    place: Place


class Guards(msgspec.Struct, frozen=True):
    """Limits that stop a plan (interface.md, *Guards*). Money in cents; percentages whole or exact; ``None``: not guarded."""

    max_charges: int | None = None
    max_total: int | None = None
    max_charge: int | None = None
    max_per_resident: int | None = None
    max_change: int | None = None
    min_coverage: int | None = None


class Approver(msgspec.Struct, frozen=True):
    """A person who may approve plans, with an Ed25519 public key (``ed25519:`` and base64).

    ``accounts`` are the other names under which the person plans: of the code host, of a machine.
    """

    name: str
    key: str
    accounts: tuple[str, ...] = ()


class Approvals(msgspec.Struct, frozen=True):
    """Two-person approval: how many are required for a plan above that many cents; 0 is off.

    ``valid_for_hours`` is how long an approval holds.
    """

    required: int = 0
    above: int = 0
    valid_for_hours: int = 72
    approvers: tuple[Approver, ...] = ()


class Posting(msgspec.Struct, frozen=True):
    """``batch_size`` is lines in one request, ``parallel`` properties under way at once."""

    batch_size: int = 200
    parallel: int = 4


class Config(msgspec.Struct, frozen=True):
    """``chargeplan.yaml``. ``root`` is its directory; ``correct_back`` is a count and a unit; ``plan_ttl_days`` days.

    ``posts_missed`` is ``missed: post``; ``early_days`` is how early somebody else's charge of the same amount may be dated.
    """

    root: str
    file: str
    environment: str
    environments: dict[str, Environment]
    integrations: dict[str, IntegrationConfig]
    properties: dict[str, PropertyConfig]
    plans: tuple[str, ...] = ("plans/*.yaml",)
    timezone: str = "UTC"
    lead_days: int = 0
    correct_back: tuple[int, DateUnit] = (2, "months")
    posts_missed: bool = False
    early_days: int = 7
    closed_through: date | None = None
    personal_data: bool = False
    plan_ttl_days: int = 7
    posting: Posting = Posting()
    guards: Guards = Guards()
    approvals: Approvals = Approvals()

    def integration(self, name: str) -> IntegrationConfig | None:
        """The integration with that alias or Propexo id."""
        if name in self.integrations:
            return self.integrations[name]
        return next((each for each in self.integrations.values() if each.id == name), None)

    def property_alias(self, property_id: str) -> str | None:
        """The short name of the property with that id, where the configuration gives one."""
        return next((alias for alias, each in self.properties.items() if each.id == property_id), None)


class Project(msgspec.Struct, frozen=True):
    """Everything that the user's files say. ``digests`` is the SHA-256 of every input file, by relative path."""

    config: Config
    plans: tuple[Plan, ...]
    digests: dict[str, str]
