"""Days, months and windows as people write them in options."""

from __future__ import annotations

import re
from datetime import date

from chargeplan.core.dates import Days, month_of
from chargeplan.core.errors import ChargeplanError

# Months and years are counted from a date, so it keeps away from the ends of the calendar.
_FIRST_YEAR, _LAST_YEAR = 1900, 2999
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)


def read_date(text: str | None, option: str) -> date | None:
    """An ISO date of an option.

    Raises:
        ChargeplanError: it is none.
    """
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
        if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
            raise ValueError(text)  # noqa: TRY301 - the same answer as for what is no date
        return found  # noqa: TRY300
    except ValueError:
        raise ChargeplanError(
            f"{option}: `{text}` is no date.", hint="Write it as 2027-08-01.", code="usage"
        ) from None


def read_window(period: str | None, first: str | None, through: str | None) -> Days | None:
    """The window of ``--period`` or of ``--from`` and ``--through``, both inclusive; ``None`` where none is given.

    Raises:
        ChargeplanError: half a window, both ways at once, or an empty one.
    """
    if period is not None:
        if first is not None or through is not None:
            raise ChargeplanError(
                "--period goes without --from and --through.", hint="Give one or the other.", code="usage"
            )
        try:
            return month_of(date.fromisoformat(f"{period}-01"))
        except ValueError:
            raise ChargeplanError(
                f"--period: `{period}` is no month.", hint="Write it as 2027-08.", code="usage"
            ) from None
    if first is None and through is None:
        return None
    begins, ends = read_date(first, "--from"), read_date(through, "--through")
    if begins is None or ends is None:
        raise ChargeplanError(
            "--from and --through go together.", hint="Give both, or --period.", code="usage"
        )
    if ends < begins:
        raise ChargeplanError("--through is before --from.", hint="Both are inclusive.", code="usage")
    return Days(begins, ends)


def read_months(period: str | None, first: str | None, through: str | None) -> Days | None:
    """As ``read_window``; ``--from`` and ``--through`` may be months too, which are meant whole.

    Raises:
        ChargeplanError: as ``read_window``.
    """
    if first is not None and _MONTH.fullmatch(first):
        first = f"{first}-01"
    if through is not None and _MONTH.fullmatch(through):
        whole = read_window(through, None, None)
        through = str(whole.last) if whole is not None else through
    return read_window(period, first, through)
