"""Everything that the user's files say, with all problems of all files (plan-language.md, *Reading the file*)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from chargeplan.core.config import Config, Project
from chargeplan.core.diagnostic import Diagnostic, Place
from chargeplan.core.plan import Plan
from chargeplan.loading.build import LoadedPlan, build_plan
from chargeplan.loading.config import build_config
from chargeplan.loading.files import Files
from chargeplan.loading.integrations import Systems
from chargeplan.loading.node import Problems
from chargeplan.loading.source import read_bytes


class Loaded(msgspec.Struct, frozen=True):
    """What loading gave. ``config`` and ``project`` are None where errors forbid to use them; ``diagnostics`` in the order of places."""

    config: Config | None
    project: Project | None
    diagnostics: tuple[Diagnostic, ...]


def load_config(path: Path, systems: Systems) -> Loaded:
    """Read ``chargeplan.yaml`` alone, for commands that need no plans; ``systems`` says what is known of a property system."""
    problems = Problems()
    config, _ = _config(path, systems, problems)
    return Loaded(config, None, _ordered(problems))


def load_project(path: Path, systems: Systems, plan_files: Sequence[Path] | None = None) -> Loaded:
    """Read the configuration at ``path`` and its plans, or only ``plan_files``; never raises for what users write.

    The project is None as soon as there is one error, in whichever file: a run bills all of its plans or none.
    """
    problems = Problems()
    config, files = _config(path, systems, problems)
    if config is None:
        return Loaded(None, None, _ordered(problems))
    names = _plan_names(config, files) if plan_files is None else files.given(plan_files)
    plans = [plan for name in names if (plan := _plan(name, config, systems, files)) is not None]
    _check_together(plans, problems)
    _check_owners(plans, config, problems)
    diagnostics = _ordered(problems)
    if problems.error_count:
        return Loaded(config, None, diagnostics)
    return Loaded(
        config,
        Project(
            _with_unlisted(config, plans),
            tuple(each.plan for each in plans),
            dict(sorted(files.digests.items())),
        ),
        diagnostics,
    )


def _with_unlisted(config: Config, plans: Sequence[LoadedPlan]) -> Config:
    """The configuration with the integrations that plans name by an id which it does not list."""
    known = {each.id for each in config.integrations.values()}
    others = {each.integration.alias: each.integration for each in plans if each.integration.id not in known}
    return msgspec.structs.replace(config, integrations=others | config.integrations) if others else config


def _config(path: Path, systems: Systems, problems: Problems) -> tuple[Config | None, Files]:
    path = path.absolute()
    files = Files(path.parent, problems)
    data = files.read(path.name, Place(path.name, 1))
    root = None if data is None else read_bytes(data, path.name, problems)
    return (None if root is None else build_config(root, path, systems, problems)), files


def _plan_names(config: Config, files: Files) -> list[str]:
    """The plan files that the patterns find, in order; tests of plans are not plans."""
    found: dict[str, None] = {}
    for pattern in config.plans:
        matches = [name for name in files.matching(pattern) if Path(name).parent.name != "tests"]
        if not matches:
            files.problems.error(
                Place(config.file, 1),
                f"No file fits `{pattern}`.",
                "Write a plan, or correct `plans` in the configuration.",
            )
        found.update(dict.fromkeys(matches))
    return list(found)


def _plan(name: str, config: Config, systems: Systems, files: Files) -> LoadedPlan | None:
    data = files.read(name, Place(name, 1))
    root = None if data is None else read_bytes(data, name, files.problems)
    return None if root is None else build_plan(root, name, config, systems, files)


def _check_together(plans: list[LoadedPlan], problems: Problems) -> None:
    """What only several plans together can have wrong: equal names, and charges whose past is claimed twice."""
    names: dict[str, LoadedPlan] = {}
    for each in plans:
        first = names.setdefault(each.plan.name, each)
        if first is not each:
            problems.error(
                each.place,
                f"`{each.plan.name}` is already the name of the plan in {first.place.file}.",
                "Give each plan a name of its own.",
            )
    known: dict[tuple[str, str], str] = {}
    for each in plans:
        known.update({(each.plan.name, charge.id): each.place.file for charge in each.plan.charges})
    _check_moves(plans, known, problems)


def _check_moves(plans: list[LoadedPlan], known: dict[tuple[str, str], str], problems: Problems) -> None:
    claimed: dict[tuple[str, str], tuple[str, str]] = {}
    for each in plans:
        for move in each.moves:
            old = (move.plan, move.charge)
            if move.plan != each.plan.name and old in known:
                problems.error(
                    move.place,
                    f"`{move.charge}` is still a charge in {known[old]}, so it was not moved.",
                    "Delete it there, or delete the move.",
                )
            new = claimed.setdefault(old, (each.plan.name, move.to))
            if new != (each.plan.name, move.to):
                problems.error(
                    move.place,
                    f"`{move.plan}/{move.charge}` was already moved to `{'/'.join(new)}`.",
                    "A charge has one future: delete one of the moves.",
                )


def _check_owners(plans: list[LoadedPlan], config: Config, problems: Problems) -> None:
    """A charge code of a property has one owner: else each plan would take the other's lines for somebody else's."""
    owners: dict[tuple[str, str], list[LoadedPlan]] = {}
    for each in plans:
        for code in each.plan.owns:
            earlier = owners.setdefault((each.plan.integration_id, code), [])
            for other in earlier:
                where = _in_common(other.plan, each.plan, config)
                if where and other.plan.name != each.plan.name:
                    problems.error(
                        each.place,
                        f"`{other.plan.name}` in {other.place.file} owns the charge code `{code}` in {where} too.",
                        "Give the code to one of them, or take it from a plan with `owns:`.",
                    )
            earlier.append(each)


def _in_common(one: Plan, other: Plan, config: Config) -> str:
    """A property of both plans, as the later one calls it; empty where it would take Propexo's list to find one."""
    if one.properties is None or other.properties is None:
        named = one.properties or other.properties
        return f"`{next(iter(named))}`" if named else "every property"
    ids = {_property_id(name, config) for name in one.properties}
    return next((f"`{name}`" for name in other.properties if _property_id(name, config) in ids), "")


def _property_id(name: str, config: Config) -> str:
    return config.properties[name].id if name in config.properties else name


def _ordered(problems: Problems) -> tuple[Diagnostic, ...]:
    """By file, line and column, so that the same files read the same whatever order checks run in."""
    nowhere = Place("", 0)
    return tuple(sorted(problems.diagnostics, key=lambda each: (each.place or nowhere, each.summary)))
