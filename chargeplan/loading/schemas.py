"""The JSON Schemas that editors use, wherever the program is installed from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from chargeplan.core.errors import ChargeplanError

SCHEMAS: Final = {
    "plan": "charge-plan.schema.json",
    "config": "config.schema.json",
    "test": "plan-test.schema.json",
}
"""The schemas of the files that users write, by the word that `chargeplan schema` takes."""


def schema_text(name: str) -> str:
    """The text of the schema that `chargeplan schema NAME` prints.

    A wheel carries the schemas inside the package; a checkout has them beside it, where editors find them by a path
    that people can write.

    Raises:
        ChargeplanError: No schema has that name, or the installation has lost its files.
    """
    file = SCHEMAS.get(name, f"{name}.schema.json")
    places = (
        resources.files("chargeplan") / "_schemas" / file,
        Path(__file__).resolve().parents[2] / "schemas" / file,
    )
    for place in places:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise ChargeplanError(
        f"There is no schema {name!r}.", hint=f"Known schemas: {', '.join(SCHEMAS)}.", code="unknown_schema"
    )
