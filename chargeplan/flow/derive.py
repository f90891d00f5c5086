"""Plans from what is billed: bring the ledgers of every property up to date, and work out what explains them. Writes nothing."""

from __future__ import annotations

from chargeplan.core.billed_now import BilledNow
from chargeplan.core.config import Config, Project
from chargeplan.core.derivation import DerivedProperty
from chargeplan.core.derive import DerivedCharge, NotDerived, derive
from chargeplan.core.household import households
from chargeplan.core.property_plan import PropertyValues
from chargeplan.core.select import names_of
from chargeplan.flow.plan_request import PlanRequest, reading_window
from chargeplan.flow.ports import Ports, Snapshot
from chargeplan.flow.scope import Scope
from chargeplan.flow.tasks import PropertyTask


def derive_now(ports: Ports, config: Config, request: PlanRequest) -> list[DerivedProperty]:
    """Every active property that the filters leave, in canonical order.

    Raises:
        ChargeplanError: Propexo can't be read, or there is no such property.
    """
    scope = Scope(Project(config, (), {}), request, ports.snapshot, ports.progress.step)
    found: list[DerivedProperty] = []
    for integration in config.integrations.values():
        for task in scope.every_property(integration):
            found.append(_derived(config, request, ports.snapshot, task))
            ports.progress.step(f"derived {task.property.name}")
    scope.check_found("There is no property")
    ports.progress.close()
    return found


def _derived(config: Config, request: PlanRequest, snapshot: Snapshot, task: PropertyTask) -> DerivedProperty:
    each, integration, window = task.property, task.integration, request.window
    observed = snapshot.property(integration.id, each.id, reading_window(window, window.first, ()))
    values = PropertyValues(
        plans=(),
        integration=integration,
        names=names_of(each, config.property_alias(each.id)),
        observed=observed,
        everyone=households(observed),
        as_of=request.as_of,
        window=window,
        lookback=window.first,
    )
    answers = list(derive(BilledNow(values)))
    return DerivedProperty(
        integration,
        each,
        tuple(answer for answer in answers if isinstance(answer, DerivedCharge)),
        tuple(answer for answer in answers if isinstance(answer, NotDerived)),
    )
