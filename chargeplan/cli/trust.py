"""`--trust`: a run whose own files nobody has reviewed sends secrets only where a reviewed configuration sends them."""

from __future__ import annotations

import os
from pathlib import Path

from chargeplan.core.config import Environment
from chargeplan.core.errors import ChargeplanError, InputError
from chargeplan.core.trust import departures
from chargeplan.loading.project import load_config
from chargeplan.propexo.vendors import vendor

VARIABLE = "CHARGEPLAN_TRUST"


def refuse_departures(found: Environment, option: str | None) -> None:
    """Compare the environment with that of the configuration which ``--trust`` or the variable names, if any.

    Raises:
        ChargeplanError: it asks for another host, or for other variables.
    """
    file = option or os.environ.get(VARIABLE)
    if not file:
        return
    reviewed = load_config(Path(file), vendor)
    if reviewed.config is None:
        raise InputError(
            f"The reviewed configuration {file} can't be used.",
            reviewed.diagnostics,
            hint="Name a good chargeplan.yaml; nothing was read or sent.",
        )
    differing = departures(found, reviewed.config.environments)
    if differing:
        raise ChargeplanError(
            f"The environment `{found.name}` is not as in the reviewed {file}: {'; '.join(differing)}. Nothing was read or sent.",
            hint="Where secrets go is changed in a reviewed merge first; what uses it comes after.",
            code="not_trusted",
        )
