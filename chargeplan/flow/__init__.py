"""The order of effects: observe, plan, apply, reconcile. Reaches the outer rooms through :mod:`chargeplan.flow.ports`."""
