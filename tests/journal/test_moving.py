"""A journal moves between SQLite and PostgreSQL: closed before it is open elsewhere, equal to the cent, resumable."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargeplan.core.errors import ChargeplanError
from chargeplan.journal import MovedJournal, SqlJournal, move_journal, moving, open_journal
from tests.journal.builders import batch, execute, intend, posting, states
from tests.journal.proxy import HOWS, How, Proxy


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


@pytest.fixture(params=["to a server", "to a file"])
def way(request: pytest.FixtureRequest, file: str, schema_target: str) -> tuple[str, str]:
    """Where a journal is, and where it shall be."""
    return (file, schema_target) if request.param == "to a server" else (schema_target, file)


@pytest.fixture
def source(way: tuple[str, str]) -> Iterator[SqlJournal]:
    """Three lines in two states, 105.00 together."""
    with open_journal(way[0], create=True, actor="tester") as journal:
        journal.consume("plan1", "sha256:1", {"environment": "e"})
        intend(journal, "CP1", "CP2", "CP3")
        journal.record("b1", "queued", job_id="j")
        journal.settle(2, "visible", charge_id="ch", reason="seen", actor="reconcile")
        yield journal


def _code(target: str, *, create: bool = False) -> str:
    with pytest.raises(ChargeplanError) as caught:
        open_journal(target, create=create).close()
    return caught.value.code


def test_everything_arrives_and_the_source_is_closed(source: SqlJournal, way: tuple[str, str]) -> None:
    before = (source.identity, source.postings("i1", "p1"), source.batches(), source.plan_used("plan1"))
    moved = move_journal(*way, actor="mover")
    assert (moved.events, moved.postings, moved.amount) == (7, 3, 10500)
    with open_journal(way[1], create=False) as there:
        assert (
            there.identity, there.postings("i1", "p1"), there.batches(), there.plan_used("plan1")
        ) == before  # fmt: skip
        assert [event["kind"] for event in there.history()][-2:] == ["moved", "imported"]
        assert there.verify() == []
        with there.lock("i1", ["p1"], purpose="apply", timeout=0) as tokens:
            assert tokens["p1"] == 2  # tokens go on where they were
    assert _code(way[0]) == _code(way[0], create=True) == "journal_moved"


def test_a_run_that_had_the_source_open_writes_nothing_more(source: SqlJournal, way: tuple[str, str]) -> None:
    moved = move_journal(*way)
    for attempt in (
        lambda: intend(source, "CP9", batch_id="b9"),
        lambda: source.record("b1", "accepted"),
        lambda: source.consume("plan9", "sha256:9", {}),
    ):
        with pytest.raises(ChargeplanError) as caught:
            attempt()
        assert caught.value.code == "journal_moved"
        assert moved.where in caught.value.message


def test_there_and_back(file: str, schema_target: str, tmp_path: Path) -> None:
    with open_journal(file, create=True) as journal:
        intend(journal, "CP1")
        identity = journal.identity
    move_journal(file, schema_target)
    with open_journal(schema_target, create=False) as journal:
        journal.record("b1", "accepted")
    # Its old place has a journal that is closed; it goes to a new one.
    with pytest.raises(ChargeplanError) as caught:
        move_journal(schema_target, file)
    assert caught.value.code == "journal_moved"
    move_journal(schema_target, str(tmp_path / "back.db"))
    with open_journal(str(tmp_path / "back.db"), create=False) as journal:
        assert states(journal) == {"CP1": "accepted"}
        assert journal.identity == identity
        assert journal.verify() == []


def test_not_while_a_run_works(source: SqlJournal, way: tuple[str, str]) -> None:
    with source.lock("i1", ["p1"], purpose="apply", timeout=0):
        with pytest.raises(ChargeplanError) as caught:
            move_journal(*way)
        assert caught.value.code == "locked"
        assert _code(way[1]) == "journal_missing"
    assert states(source) == {"CP1": "queued", "CP2": "visible", "CP3": "queued"}
    source.record("b1", "accepted")


def test_not_onto_another_journal_nor_onto_itself(source: SqlJournal, way: tuple[str, str]) -> None:
    with open_journal(way[1], create=True) as other:
        with pytest.raises(ChargeplanError) as caught:
            move_journal(*way)
        assert caught.value.code == "journal_not_empty"
        other.consume("plan9", "sha256:9", {})
    with pytest.raises(ChargeplanError) as caught:
        move_journal(way[0], way[0])
    assert caught.value.code == "journal_not_empty"
    source.record("b1", "accepted")


def test_interrupted_and_called_again(
    source: SqlJournal, way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, written = moving.recorder.put, []

    def interrupted(*arguments: object) -> None:
        written.append(1)
        if len(written) == 4:  # the third of what arrives; the first closed the source
            raise KeyboardInterrupt
        put(*arguments)

    monkeypatch.setattr(moving.recorder, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        move_journal(*way)
    monkeypatch.undo()
    # Neither takes postings now.
    assert _code(way[0]) == "journal_moved"
    assert _code(way[1]) == "journal_missing"
    with pytest.raises(ChargeplanError):
        source.record("b1", "accepted")
    moved = move_journal(*way)
    assert (moved.events, moved.postings, moved.amount) == (7, 3, 10500)
    # And once more, after the new one has gone on.
    with open_journal(way[1], create=False) as there:
        there.record("b1", "accepted")
    assert move_journal(*way) == moved
    with open_journal(way[1], create=False) as there:
        assert states(there) == {"CP1": "accepted", "CP2": "visible", "CP3": "accepted"}


def test_a_damaged_source_arrives_nowhere(source: SqlJournal, way: tuple[str, str]) -> None:
    execute(source, "UPDATE postings SET amount = 1 WHERE id = 1")
    with pytest.raises(ChargeplanError) as caught:
        move_journal(*way)
    assert caught.value.code == "import_differs"
    assert _code(way[1]) == "journal_missing"


@pytest.mark.parametrize("how", HOWS)
def test_a_connection_cut_at_the_commit(file: str, schema_target: str, how: How) -> None:
    with open_journal(file, create=True) as journal:
        intend(journal, "CP1")
    with Proxy(schema_target) as proxy:
        proxy.cut(how)
        try:
            moved = move_journal(file, proxy.target)
        except ChargeplanError as lost:
            if lost.code != "journal_unreachable":
                raise
            moved = move_journal(file, proxy.target)
        assert proxy.cuts == 1
    assert moved == MovedJournal(moved.where, 4, 1, 3500)
    with open_journal(schema_target, create=False) as there:
        assert states(there) == {"CP1": "intended"}
        assert there.verify() == []


def test_there_is_no_moment_in_which_both_take_postings(file: str, schema_target: str) -> None:
    """Two runs post for as long as they can, one here, one there; a line has one posting whoever was faster."""
    taken: dict[str, list[str]] = {file: [], schema_target: []}
    stop = threading.Event()

    def post(target: str) -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            try:
                with open_journal(target, create=False, actor=target) as journal:
                    with journal.lock("i1", [target], purpose="apply", timeout=0) as tokens:
                        reference = f"CP{number}-{len(target)}"
                        line = posting(reference, property_id=target)
                        journal.intend("p", batch(reference, target), [line], lock_token=tokens[target])
                    taken[target].append(journal.identity)
            except ChargeplanError as refusal:
                if refusal.code not in {"journal_moved", "journal_missing"}:
                    raise

    open_journal(file, create=True).close()
    threads = [threading.Thread(target=post, args=(target,)) for target in taken]
    for thread in threads:
        thread.start()
    while not taken[file]:
        pass
    while True:
        try:
            move_journal(file, schema_target)
        except ChargeplanError as busy:
            if busy.code != "locked":
                raise
        else:
            break
    here = len(taken[file])
    while not taken[schema_target]:
        assert all(thread.is_alive() for thread in threads)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(taken[file]) == here
    assert len({*taken[file], *taken[schema_target]}) == 1
    with open_journal(schema_target, create=False) as there:
        assert len(there.open_postings()) == here + len(taken[schema_target])
        assert there.verify() == []
