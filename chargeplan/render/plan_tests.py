"""The results of the plans' tests: a readable difference for people, a document for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from chargeplan.core.diagnostic import Place
from chargeplan.core.money import format_money
from chargeplan.core.plan_test import Difference, PlanTestResult, Value
from chargeplan.render.escape import terminal
from chargeplan.render.faults import diagnostics_lines
from chargeplan.render.jsondoc import diagnostic_entry
from chargeplan.render.paper import DEFAULT_WIDTH, Paper
from chargeplan.render.words import why, why_skipped

_INDENT: Final = "  "
_PLAIN: Final = frozenset(":#,{}[]\"'&*!|>%@`-?")


def results_screen(
    results: Sequence[PlanTestResult], *, color: bool = False, width: int = DEFAULT_WIDTH
) -> str:
    """Each test with its differences, and a last line that can be searched for."""
    paper = Paper(color, width)
    lines = [line for result in results for line in _result(paper, result)]
    passed = sum(each.passed for each in results)
    failed = len(results) - passed
    lines += [""] if lines else []
    lines.append(paper.ink(f"Tests: {passed:,} passed, {failed:,} failed.", "bad" if failed else "good"))
    return "".join(f"{line}\n" for line in lines)


def _result(paper: Paper, result: PlanTestResult) -> list[str]:
    word = paper.ink("pass", "good") if result.passed else paper.ink("FAIL", "bad")
    head = f"{word}  {_at(result.place)}  {terminal(result.title)}"
    body = [line for each in result.differences for line in _difference(paper, each)]
    body += [_INDENT + line for line in diagnostics_lines(paper, result.diagnostics)]
    return [head, *body]


def _difference(paper: Paper, each: Difference) -> list[str]:
    lines = [f"{_INDENT}{paper.ink(_at(each.place), 'bold')}: {_what(each)}"]
    if each.expected is not None:
        lines.append(paper.ink(f"{_INDENT * 2}- {_flow(each.expected)}", "bad"))
    if each.got is not None:
        lines.append(paper.ink(f"{_INDENT * 2}+ {_flow(each.got)}", "good"))
    if each.became:
        sentence = why("hold", each.reason) if each.became == "hold" else why_skipped(each.reason)
        verb = "is held" if each.became == "hold" else "is skipped"
        lines += paper.prose(f"It {verb} ({each.reason}): {sentence}.", _INDENT * 2)
    return lines


def _what(each: Difference) -> str:
    if each.expected is None:
        return f"a {each.kind} that is not expected"
    if each.got is None:
        return f"an expected {each.kind} that does not come"
    keys = [key for key, value in each.expected.items() if each.got.get(key) != value]
    return f"another {' and '.join(keys)}"


def _at(place: Place) -> str:
    return terminal(f"{place.file}:{place.line}")


def _flow(values: Mapping[str, Value]) -> str:
    """The values as a test's file writes them, so that they can be copied into it."""
    return "{" + ", ".join(f"{key}: {_scalar(key, value)}" for key, value in values.items()) + "}"


def _scalar(key: str, value: Value) -> str:
    if key == "amount" and isinstance(value, int):
        return format_money(value).replace("$", "").replace(",", "")
    shown = terminal(str(value))
    return (
        f'"{shown}"'
        if isinstance(value, str) and (not shown or _PLAIN & set(shown[:1] + "".join(_odd(shown))))
        else shown
    )


def _odd(shown: str) -> list[str]:
    """The characters that would end a plain value inside braces."""
    return [each for each in ":#,{}[]" if each in shown]


def results_document(results: Sequence[PlanTestResult]) -> dict[str, Any]:
    """The document of ``test --json``."""
    return {
        "kind": "test",
        "passed": sum(each.passed for each in results),
        "failed": sum(not each.passed for each in results),
        "tests": [_test_entry(each) for each in results],
    }


def _test_entry(result: PlanTestResult) -> dict[str, Any]:
    return {
        "title": result.title,
        "passed": result.passed,
        "source": {"file": result.place.file, "line": result.place.line},
        "differences": [
            {
                "kind": each.kind,
                "source": {"file": each.place.file, "line": each.place.line},
                "expected": _plain(each.expected),
                "got": _plain(each.got),
                "became": each.became or None,
                "reason": each.reason or None,
            }
            for each in result.differences
        ],
        "diagnostics": [diagnostic_entry(each) for each in result.diagnostics],
    }


def _plain(values: Mapping[str, Value] | None) -> dict[str, Any] | None:
    """The values as JSON has them: cents, ISO dates."""
    if values is None:
        return None
    named = {"amount_in_cents" if key == "amount" else key: value for key, value in values.items()}
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in named.items()}
