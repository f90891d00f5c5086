"""`--trust`: a run whose own files nobody has reviewed sends secrets only where a reviewed configuration sends them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from chargeplan.core.config import Environment
from chargeplan.core.errors import ChargeplanError, InputError
from chargeplan.core.trust import departures
from chargeplan.loading.project import load_config
from chargeplan.propexo.vendors import vendor

VARIABLE = "CHARGEPLAN_TRUST"


def trusted(found: Environment, option: str | None) -> Environment:
    """The environment, where the configuration that ``--trust`` or the variable names has the same, or none is named.

    The root certificates are then that one's: a file of the same name may have been changed too.

    Raises:
        ChargeplanError: it asks for another host, or for other variables.
    """
    file = option or os.environ.get(VARIABLE)
    if not file:
        return found
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
    if found.ca_file is None:
        return found
    return msgspec.structs.replace(found, ca_file=str(Path(reviewed.config.root, found.ca_file)))
