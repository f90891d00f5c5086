"""`test`: the plans' own tests. No network and no journal: what is given is all that there is."""

from __future__ import annotations

from pathlib import Path

import click

from chargeplan import wiring
from chargeplan.cli.options import Common, common
from chargeplan.core.errors import InputError
from chargeplan.flow.plan_tests import run_test
from chargeplan.loading.integrations import DEFAULT_VENDOR
from chargeplan.loading.plan_tests import load_tests
from chargeplan.propexo.vendors import vendor
from chargeplan.render.plan_tests import results_document, results_screen


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@common()
def test(*, common: Common, files: tuple[Path, ...]) -> int:
    """Run the plans' own tests: given these residents and this day, the plans say these lines.

    Without FILES all of plans/tests/*.yaml beside the configured plans. Nothing is read from Propexo or from the journal.

    \b
    Examples:
      chargeplan test
      chargeplan test plans/tests/oak-street-first-month.yaml
    """
    config = wiring.configured(common)
    loaded = load_tests(wiring.find_config(common), config, vendor, files)
    if any(diagnostic.is_error for diagnostic in loaded.diagnostics):
        raise InputError(
            "The tests can't be run: there are errors in them or in their plans.",
            loaded.diagnostics,
            hint="Correct them; `chargeplan schema test` describes the files.",
        )
    results = [run_test(plan_test, vendor(DEFAULT_VENDOR)) for plan_test in loaded.tests]
    if not results:
        common.say("There is no test: write one into plans/tests/.")
    common.answer(lambda: results_document(results), lambda: results_screen(results, **common.paper))
    return 0 if all(result.passed for result in results) else 1
