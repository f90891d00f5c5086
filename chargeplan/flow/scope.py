"""Which properties the plans (and the filters) are about, and their integrations brought up to date: the way in for plan and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from chargeplan.core.amounts import paths_of
from chargeplan.core.change import ObservedMark
from chargeplan.core.config import IntegrationConfig, Project
from chargeplan.core.diagnostic import Diagnostic, Place, error
from chargeplan.core.errors import ChargeplanError
from chargeplan.core.observed import Property
from chargeplan.core.plan import Charge, Plan
from chargeplan.core.select import names_of
from chargeplan.core.suggest import closest, did_you_mean
from chargeplan.flow.plan_request import PlanRequest, lookback, reading_window
from chargeplan.flow.ports import Snapshot
from chargeplan.flow.tasks import PropertyTask

Progress = Callable[[str], None]


class Scope:
    """The properties of one request; ``diagnostics`` are those of names that fit nothing, ``marks`` what was read."""

    def __init__(
        self, project: Project, request: PlanRequest, snapshot: Snapshot, progress: Progress
    ) -> None:
        self.project, self.request, self.snapshot = project, request, snapshot
        self.progress = progress
        self.diagnostics: list[Diagnostic] = []
        self.marks: list[ObservedMark] = []
        self._matched_properties: set[str] = set()
        self._known_properties: set[str] = set()

    def check_filters(self) -> None:
        """A filter that names nothing is a mistake, not an empty plan."""
        plans = {plan.name for plan in self.project.plans}
        charges = {charge.id for plan in self.project.plans for charge in plan.charges}
        for what, names, known in (
            ("plan", self.request.plans, plans),
            ("charge", self.request.charges, charges),
        ):
            for name in names:
                if name not in known:
                    raise ChargeplanError(
                        f"There is no {what} named `{name}`.",
                        hint=did_you_mean(name, sorted(known), otherwise="There are"),
                        code=f"unknown_{what}",
                    )

    def read(self, integration_id: str) -> list[Plan]:
        """Bring an integration up to date; returns the plans that it is read for."""
        plans = [plan for plan in self.project.plans if plan.integration_id == integration_id]
        self.observe(self.project.config.integration_of(integration_id), plans)
        return plans

    def tasks(self, integration_id: str) -> list[PropertyTask]:
        """What there is to plan of an integration, which is brought up to date first."""
        plans = self.read(integration_id)
        integration = self.project.config.integration_of(integration_id)
        listed = self.snapshot.properties(integration_id)
        chosen = {plan.name: self._properties_of(plan, listed) for plan in plans}
        covered = [
            PropertyTask(
                integration,
                prop,
                tuple(plan.name for plan in plans if prop.id in chosen[plan.name]),
            )
            for prop in sorted(listed, key=lambda known: (known.name, known.id))
        ]
        return [task for task in covered if task.plans and self._wanted(task.property)]

    def every_property(self, integration: IntegrationConfig) -> list[PropertyTask]:
        """The active properties of an integration that the filters leave, whether a plan names them or not; brought up to date first."""
        self.observe(integration, ())
        listed = sorted(self.snapshot.properties(integration.id), key=lambda known: (known.name, known.id))
        return [PropertyTask(integration, each, ()) for each in listed if each.active and self._wanted(each)]

    def check_found(self, nothing: str = "No plan covers a property") -> None:
        """A property that is not among them is a mistake, once all integrations were looked at."""
        for name in self.not_found():
            known = sorted({*self.project.config.properties, *self._known_properties})
            raise ChargeplanError(
                f"{nothing} `{name}`.",
                hint=did_you_mean(name, known, otherwise="Name a property by alias, name or id")
                or "Name a property by alias, name or id.",
                code="unknown_property",
            )

    def not_found(self) -> list[str]:
        """The properties asked for that are not among them, once all integrations were looked at."""
        return [name for name in self.request.properties if name not in self._matched_properties]

    def observe(self, configured: IntegrationConfig, plans: Sequence[Plan]) -> None:
        """Bring the copy of an integration up to date for what the plans need of it.

        Raises:
            ChargeplanError: Propexo can't be read, or the integration is not what the configuration says.
        """
        integration_id = configured.id
        if reason := configured.not_postable:
            raise ChargeplanError(
                f"chargeplan can't post to {configured.vendor} ({integration_id}): {reason}.",
                hint="Take its plans out of this configuration.",
                code="vendor_not_postable",
            )
        requests = records = 0
        window = self.request.read_window
        if not self.request.offline:
            self.progress(f"reading {integration_id}")
            cost = self.snapshot.refresh(
                integration_id,
                reading_window(window, lookback(window, self.project.config), plans),
                full=self.request.full_refresh,
                fees=any(_reads_fees(charge) for plan in plans for charge in plan.charges),
                payments=any(charge.late_fee for plan in plans for charge in plan.charges),
                codes=configured.system.lists,
                named=frozenset(self._names(plans)),
                reads_back=configured.system.reads_back,
            )
            requests, records = cost.requests, cost.records
        integration = self.snapshot.integration(integration_id)
        if not integration.active or integration.archived:
            raise ChargeplanError(
                f"The integration {integration_id} is {'archived' if integration.archived else 'not active'} at Propexo.",
                hint="Nothing can be posted through it: activate it in Propexo's dashboard.",
                code="integration_inactive",
            )
        if integration.vendor != configured.vendor:
            raise ChargeplanError(
                f"The integration {integration_id} is of {integration.vendor}, and the configuration takes it for one of {configured.vendor}.",
                hint=f"Write `vendor: {integration.vendor}` for it under `integrations`.",
                code="vendor_mismatch",
            )
        self.marks.append(ObservedMark(integration_id, integration.last_completed_sync, requests, records))

    def _names(self, plans: Sequence[Plan]) -> Iterator[str]:
        """What the plans name at Propexo: properties, codes and accounts, by id or name."""
        aliases = self.project.config.properties
        for plan in plans:
            for name in plan.properties or ():
                yield aliases[name].id if name in aliases else name
            for charge in plan.charges:
                yield from charge.code.places
                yield from () if charge.account is None else charge.account.places

    def _properties_of(self, plan: Plan, listed: Sequence[Property]) -> frozenset[str]:
        if plan.properties is None:
            return frozenset(prop.id for prop in listed if prop.active)
        named = plan.properties.items()
        return frozenset(each.id for name, place in named for each in self._named(plan, name, place, listed))

    def _named(self, plan: Plan, name: str, place: Place, listed: Sequence[Property]) -> Iterator[Property]:
        config = self.project.config
        wanted = config.properties[name].id if name in config.properties else name
        found = [prop for prop in listed if prop.id == wanted] or [
            prop for prop in listed if prop.name == wanted
        ]
        if len(found) == 1:
            yield found[0]
            return
        many = "no property" if not found else f"{len(found)} properties"
        near = None if found else closest(name, (text for prop in listed for text in (prop.name, prop.id)))
        known = ", ".join(sorted(f"{each.name} ({each.id})" for each in found or listed)) or "none"
        self.diagnostics.append(
            error(
                f"plan `{plan.name}`: the integration has {many} `{name}`",
                f"Did you mean `{near}`?" if near else f"Write a property's id. It has: {known}.",
                place,
            )
        )

    def _wanted(self, each: Property) -> bool:
        if self.request.only is not None and each.id not in self.request.only:
            return False
        in_shard = self.request.shard is None or self.request.shard.holds(each.id)
        if not self.request.properties:
            return in_shard
        names = names_of(each, self.project.config.property_alias(each.id))
        self._known_properties.update(filter(None, (names.alias, names.name, names.id)))
        hits = {text for text in self.request.properties if names.match(text)}
        self._matched_properties |= hits
        return in_shard and bool(hits)


def _reads_fees(charge: Charge) -> bool:
    amounts = [charge.amount, *(each.changes.get("amount") for each in charge.overrides)]
    return any(path.root == "fee" for each in amounts for path in paths_of(each))  # type: ignore[arg-type]
