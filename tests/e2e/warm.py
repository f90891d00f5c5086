"""What every command imports, read once by the process from which ``forked.py`` forks them; nothing else imports this."""

from __future__ import annotations

import functools
import importlib
import ssl

from chargeplan.cli.main import COMMANDS
from chargeplan.propexo.client import Propexo

# The commands of tests speak to loopback only, and need not read the authorities' certificates each time.
ssl.create_default_context = functools.cache(ssl.create_default_context)
Propexo("http://127.0.0.1:9", "warm").close()

for _module in {module for module, _ in COMMANDS.values()}:
    importlib.import_module(f"chargeplan.cli.{_module}")
for _module in ("chargeplan.render.faults", "jinja2", "jsonschema", "sqlalchemy.dialects.sqlite.pysqlite"):
    importlib.import_module(_module)
