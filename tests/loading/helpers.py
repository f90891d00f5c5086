"""A project in a folder, and what loading says of it."""

from pathlib import Path

from chargeplan.core.diagnostic import Diagnostic
from chargeplan.loading.project import Loaded, load_project
from chargeplan.propexo.vendors import vendor

CONFIG = """\
version: 1
environments: {sandbox: {api: embedded}}
integrations:
  main: {id: integration-1, vendor: RESMAN}
  other: {id: integration-2, vendor: ENTRATA}
properties:
  oak: {id: p1, integration: main}
  elsewhere: {id: p2, integration: other}
"""
HEAD = "version: 1\nplan: p\nintegration: main\nproperties: [oak]\n"
RENT = "charges:\n  rent:\n    code: Rent\n    schedule: {every: month}\n"


def load(
    root: Path,
    plan: str | bytes = HEAD + RENT + "    amount: 35.00\n",
    config: str = CONFIG,
    **files: str | bytes,
) -> Loaded:
    """Write a project (``files`` by name, with ``__`` for the dot, into ``plans/``) and load it."""
    (root / "plans").mkdir(exist_ok=True)
    (root / "chargeplan.yaml").write_text(config, encoding="utf-8")
    for name, content in {"plan__yaml": plan, **files}.items():
        data = content.encode() if isinstance(content, str) else content
        (root / "plans" / name.replace("__", ".")).write_bytes(data)
    return load_project(root / "chargeplan.yaml", vendor)


def told(diagnostics: tuple[Diagnostic, ...]) -> list[str]:
    """``plans/x.csv:3:1 error: summary detail`` for each."""
    return [f"{each.place} {each.severity}: {each.summary} {each.detail}".rstrip() for each in diagnostics]


def charge(loaded: Loaded, index: int = 0):
    """The first plan's charge."""
    assert loaded.project is not None, told(loaded.diagnostics)
    return loaded.project.plans[0].charges[index]
