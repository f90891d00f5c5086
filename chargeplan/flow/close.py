"""`close`: is the month complete, and does it agree with the ledgers? From the very plan that `plan` makes of it."""

from __future__ import annotations

from datetime import date

import msgspec

from chargeplan.core.close import Account
from chargeplan.core.config import Project
from chargeplan.core.dates import Days
from chargeplan.flow.plan_request import PlanRequest
from chargeplan.flow.planning import plan_now
from chargeplan.flow.ports import Ports


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """The account of a month. ``problems`` are the errors of its plan, which keep it from being complete."""

    month: Days
    as_of: date
    accounts: tuple[Account, ...]
    property_names: dict[str, str]
    problems: tuple[str, ...]
    unrecorded: int

    @property
    def complete(self) -> bool:
        """Whether nothing is open, held or missed."""
        return not self.problems and all(each.complete for each in self.accounts)

    @property
    def agrees(self) -> bool:
        """Whether what we posted stands as it was posted, or a person accepted the difference."""
        return not self.unrecorded and all(each.agrees for each in self.accounts)

    def why_not(self) -> list[str]:
        """Everything that keeps the month open, or from agreeing, in the accounts' order."""
        reasons = [*self.problems]
        if self.unrecorded:
            reasons.append(
                f"{self.unrecorded:,} charges carry our references, and the journal does not know them: "
                "`chargeplan journal rebuild` takes them in"
            )
        for each in self.accounts:
            name = self.property_names.get(each.property_id, each.property_id)
            reasons += [f"{name}, {each.charge_code}: {reason}" for reason in each.why_not()]
        return reasons


def close(ports: Ports, project: Project, request: PlanRequest) -> Closed:
    """The account of the request's window, a month.

    Raises:
        ChargeplanError: Propexo can't be read, or the journal not be written.
    """
    planned = plan_now(ports, project, request)
    change_set = planned.change_set
    return Closed(
        month=request.window,
        as_of=request.as_of,
        accounts=planned.accounts,
        property_names=change_set.property_names,
        problems=tuple(diagnostic.summary for diagnostic in change_set.diagnostics if diagnostic.is_error),
        unrecorded=planned.unrecorded,
    )
