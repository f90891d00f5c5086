"""A house with more properties: as many towns as a test wants, each with 24 units, all billed one amenity fee a month."""

from __future__ import annotations

import msgspec

from chargeplan.sandbox.seed import Seeder
from chargeplan.sandbox.seed_facts import MAPLE_COURT
from tests.e2e.house import TODAY

TOWNS = """\
version: 1
plan: towns
integration: resman-main
properties: [{properties}]
charges:
  amenity:
    code: Amenity Fee
    amount: 25.00
    who: {{units: [{units}]}}
    schedule: {{every: month, day: 1}}
"""


def build(
    house,
    count: int,
    *,
    units: str = '"10[1-8]"',
    batch_size: int = 4,
    parallel: int = 4,
    limit: int = 100_000,
):
    """``count`` properties ``town-1``, …, whose plan replaces the house's; their ids in the plan's order."""
    state = house.state
    seeder = Seeder(state.store, state.clock, state.books, state.settings, TODAY)
    ids = [f"clwi5xiix0town{number:03d}00000000" for number in range(1, count + 1)]
    with state.store.transaction():
        for number, property_id in enumerate(ids, 1):
            seeder._place(
                msgspec.structs.replace(
                    MAPLE_COURT, id=property_id, prefix=f"town{number}-", name=f"Town {number:03d}"
                )
            )
    state.sync()
    house.config(batch_size=batch_size)
    path = house.folder / "chargeplan.yaml"
    places = "".join(f"  town-{n}: {{id: {i}, integration: resman-main}}\n" for n, i in enumerate(ids, 1))
    text = path.read_text().replace("properties:\n", f"properties:\n{places}")
    text = text.replace(
        f"{{batch_size: {batch_size}}}", f"{{batch_size: {batch_size}, parallel: {parallel}}}"
    )
    path.write_text(text.replace("requests_per_minute: 100000", f"requests_per_minute: {limit}"))
    names = ", ".join(f"town-{number}" for number in range(1, count + 1))
    house.write(TOWNS.format(properties=names, units=units))
    return ids
