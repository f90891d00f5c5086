"""`doctor`: what stands in the way of billing, looked at one by one."""

from __future__ import annotations

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common
from chargeplan.flow.doctor import examine
from chargeplan.render.doctor import doctor_document, doctor_screen


@click.command()
@common()
def doctor(*, common: Common) -> int:
    """Check token, hosts, integrations, codes, the age of the last sync, references, rate limit and journal."""
    config = wiring.configured(common)
    with wiring.world(common, config) as world:
        health = examine(world, config, lambda: wiring.project(common)[0])
    common.answer(lambda: doctor_document(health), lambda: doctor_screen(health, **common.paper))
    return 0 if health.is_good else 1
