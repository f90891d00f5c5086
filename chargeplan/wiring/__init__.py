"""A command's world: its configuration, and the real things behind the flows' ports."""

from chargeplan.wiring.clock import WallClock
from chargeplan.wiring.configuration import configured, environment, find_config, project, project_of
from chargeplan.wiring.embedded import copy_sandbox, not_a_sandbox, open_sandbox, sandbox_path
from chargeplan.wiring.ports import World, world

__all__ = [
    "WallClock",
    "World",
    "configured",
    "copy_sandbox",
    "environment",
    "find_config",
    "not_a_sandbox",
    "open_sandbox",
    "project",
    "project_of",
    "sandbox_path",
    "world",
]
