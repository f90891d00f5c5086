"""A line's date is sent as a moment, and comes back as a date: the same one, in every time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chargeplan.flow.lanes import moment_of


@pytest.mark.parametrize(("zone", "day", "moment"), [
    ("America/Chicago", "2027-08-01", "2027-08-01T17:00:00Z"),
    ("Pacific/Honolulu", "2027-08-01", "2027-08-01T22:00:00Z"),
    ("Pacific/Guadalcanal", "2027-08-01", "2027-08-01T01:00:00Z"),  # UTC+11
    ("Pacific/Auckland", "2027-08-01", "2027-08-01T06:00:00Z"),  # UTC+12 in winter
    ("Pacific/Auckland", "2027-01-01", "2027-01-01T05:30:00Z"),  # UTC+13 in summer
    ("Pacific/Kiritimati", "2027-01-01", "2027-01-01T05:00:00Z"),  # UTC+14
    ("Etc/GMT+12", "2027-01-01", "2027-01-01T18:00:00Z"),  # UTC-12
])  # fmt: skip
def test_the_moment(zone, day, moment):
    assert moment_of(date.fromisoformat(day), zone) == moment


@pytest.mark.parametrize(
    "zone", ["America/Chicago", "Pacific/Auckland", "Pacific/Apia", "Pacific/Kiritimati", "Etc/GMT+12"]
)
def test_every_day_of_a_year_is_itself_there_and_in_utc(zone):
    for number in range(366):
        day = date(2027, 1, 1) + timedelta(days=number)
        moment = datetime.fromisoformat(moment_of(day, zone))
        assert moment.astimezone(UTC).date() == moment.astimezone(ZoneInfo(zone)).date() == day
