"""The configuration as values (interface.md, *Configuration*)."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from chargeplan.core.dates import DateUnit
from chargeplan.core.diagnostic import Place
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.plan import Plan
from chargeplan.core.system import ReferenceIn, Route, RouteName, System, both, with_reference

# As long as every reference of ours is, for counting.
EXAMPLE_REFERENCE = "CP" + "0" * 16


class Environment(msgspec.Struct, frozen=True):
    """Where to read and post. ``api`` is ``embedded`` or a URL; ``token_env`` names the variable with the token.

    ``journal`` is a path relative to the configuration or a ``postgresql://`` URL; ``journal_env`` names a variable
    that holds one. ``requests_per_minute`` is the contract's limit. ``journal_allow_async`` takes a server that may
    forget commits when it crashes. ``ca_file`` is a path relative to the configuration, of further root certificates;
    ``proxy`` the address of the proxy through which requests go.
    """

    name: str
    api: str
    place: Place
    token_env: str | None = None
    journal: str | None = None
    journal_env: str | None = None
    requests_per_minute: int = 150
    journal_allow_async: bool = False
    ca_file: str | None = None
    proxy: str | None = None


class IntegrationConfig(msgspec.Struct, frozen=True):
    """One integration: its alias here, its id at Propexo, its property system, and what that does to what is posted.

    ``date_tolerance`` and ``visible_within`` are days; lengths are characters. ``send`` and ``reference_in`` are the user's
    choice, ``None`` where the system's own way holds. ``absence_proves``: what three syncs did not show was not posted.
    """

    alias: str
    id: str
    place: Place
    system: System = System(name="RESMAN")
    posts_credits: bool = False
    date_tolerance: int = 0
    visible_within: int = 10
    max_description: int = 100
    max_notes: int = 500
    send: Literal["batch", "single"] | None = None
    reference_in: ReferenceIn | None = None
    absence_proves: bool = False
    transaction_batch_id: str = ""

    @property
    def vendor(self) -> str:
        """The property system's name, as Propexo writes it."""
        return self.system.name

    @property
    def carries(self) -> ReferenceIn:
        """Where our reference travels."""
        return self.reference_in or self.system.reference_in

    @property
    def not_postable(self) -> str:
        """Why nothing can be posted through the integration; empty where it can."""
        if self.system.needs_transaction_batch and not self.transaction_batch_id:
            return "its charges need the transaction batch that RealPage provides: `transaction_batch_id` of the integration"
        return self.system.reason

    @property
    def has_credits_apart(self) -> bool:
        """Whether credits are posted, by a path of their own."""
        return self.posts_credits and self.system.credits == "endpoint"

    def route_name(self, amount: int) -> RouteName:
        """The way that an amount goes."""
        if amount < 0 and self.system.credits == "endpoint":
            return "credit"
        return self.send or self.system.sends

    def route(self, amount: int) -> Route:
        """The way that an amount goes, with our reference where it is to be.

        Raises:
            ChargeplanError: the system has no such way.
        """
        route: Route | None = getattr(self.system, self.route_name(amount))
        if route is None or self.not_postable:
            raise ChargeplanError(
                f"chargeplan can't post to {self.vendor} ({self.id}): {self.not_postable or 'there is no such route'}.",
                hint="Take its plans out of this configuration.",
                code="vendor_not_postable",
            )
        return route.carrying(self.carries)

    def room(self, notes: str) -> int:
        """How many characters of a description the system keeps beside these notes."""
        ((_, empty, most), *_) = self.texts("-", notes)
        return most - len(empty) + 1

    def texts(self, description: str, notes: str) -> tuple[tuple[str, str, int], ...]:
        """What the system gets as text of a line, each with its name and the most characters that it may have."""
        text, limit = description, ("description", self.max_description)
        if self.system.notes == "appended":
            text, limit = both(description, notes), ("notes", self.max_notes)
        if self.carries in {"description", "both"}:
            text = with_reference(text, EXAMPLE_REFERENCE)
        main = ((limit[0], text, limit[1]),)
        return (*main, ("notes", notes, self.max_notes)) if self.system.notes == "sent" else main


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
    max_missing: int | None = None
    far_window: int | None = None
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


class PostingConfig(msgspec.Struct, frozen=True):
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
    posting: PostingConfig = PostingConfig()
    guards: Guards = Guards()
    approvals: Approvals = Approvals()

    def integration(self, name: str) -> IntegrationConfig | None:
        """The integration with that alias or Propexo id."""
        if name in self.integrations:
            return self.integrations[name]
        return next((each for each in self.integrations.values() if each.id == name), None)

    def integration_of(self, integration_id: str) -> IntegrationConfig:
        """The integration with that Propexo id, which a loaded plan names.

        Raises:
            KeyError: no plan names it.
        """
        return {each.id: each for each in self.integrations.values()}[integration_id]

    def property_alias(self, property_id: str) -> str | None:
        """The short name of the property with that id, where the configuration gives one."""
        return next((alias for alias, each in self.properties.items() if each.id == property_id), None)


class Project(msgspec.Struct, frozen=True):
    """Everything that the user's files say. ``digests`` is the SHA-256 of every input file, by relative path."""

    config: Config
    plans: tuple[Plan, ...]
    digests: dict[str, str]
