"""No binary fraction comes near money: the core's syntax trees have no float and no ``/`` but of a ``Fraction``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import chargeplan.core

MODULES = sorted(Path(chargeplan.core.__file__).parent.glob("*.py"))


def flaws(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex()):
                yield f"line {node.lineno}: the literal {node.value}"
            case ast.Name(id="float") | ast.Attribute(attr="float"):
                yield f"line {node.lineno}: the name float"
            case ast.BinOp(op=ast.Div(), left=ast.Call(func=ast.Name(id="Fraction"))):
                pass
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"line {node.lineno}: `{ast.unparse(node)}` divides something that is not visibly a Fraction"
            case ast.Call(func=ast.Name(id="round")) | ast.Attribute(value=ast.Name(id="math")):
                yield f"line {node.lineno}: rounds elsewhere than in money.py"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_the_core_reckons_exactly(module: Path) -> None:
    assert list(flaws(module.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("source", ["1.5", "float(x)", "a / b", "a /= 2", "round(x)", "Fraction(a) / b / c"])
def test_the_check_itself_finds_what_it_looks_for(source: str) -> None:
    assert list(flaws(source))


@pytest.mark.parametrize("source", ["Fraction(a) / b", "a // b", "Fraction(a * b) / (c * d)"])
def test_the_check_lets_exact_division_pass(source: str) -> None:
    assert not list(flaws(source))
