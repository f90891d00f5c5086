"""CSV rosters and tables: what is read, and each fault with the file and the row's line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.plan import Row
from chargeplan.loading.files import Files
from chargeplan.loading.node import Problems
from chargeplan.loading.tables import load_roster, load_table
from tests.loading.helpers import HEAD, RENT, charge, load, told

ROSTER = HEAD + RENT + "    amount: {from: roster.rate}\n    roster: r.csv\n"
ITEMS = HEAD + RENT + "    amount: {from: roster.rate}\n    roster: {file: r.csv, item: space}\n"
TABLE = HEAD + "tables: {fees: {file: r.csv, key: unit}}\n" + RENT + "    amount: {from: table.fees.rate}\n"
PERIOD = (
    HEAD + "tables: {fees: {file: r.csv, key: period}}\n" + RENT + "    amount: {from: table.fees.rate}\n"
)


@pytest.mark.parametrize("content", [
    b'unit,rate,note\n010,75.00,\n204,"$1,250.00","two\nlines"\n',
    b'\xef\xbb\xbfunit,rate,note\r\n010,75.00,\r\n\r\n204,"$1,250.00","two\r\nlines"',
    b' unit , rate ,note\n 010 , 75.00 ,\n,,\n204,"$1,250.00","two\nlines"\n',
])  # fmt: skip
def test_a_roster_is_read_as_typed(tmp_path, content):
    table = charge(load(tmp_path, ROSTER, r__csv=content)).roster
    assert (table.file, table.key, table.columns, table.item) == (
        "plans/r.csv",
        "unit",
        ("unit", "rate", "note"),
        None,
    )
    assert [row.cells for rows in table.rows.values() for row in rows] == [
        {"unit": "010", "rate": "75.00", "note": None},
        {"unit": "204", "rate": "$1,250.00", "note": "two\nlines"},
    ]


def test_rows_know_their_line_where_cells_span_lines(tmp_path):
    table = charge(load(tmp_path, ROSTER, r__csv='unit,rate,note\n1,1.00,"a\nb"\n2,2.00,c\n')).roster
    assert [row.line for rows in table.rows.values() for row in rows] == [2, 4]


def test_items_tell_rows_of_one_key_apart(tmp_path):
    table = charge(
        load(tmp_path, ITEMS, r__csv="resident_id,space,rate,property\nr1,A,1.00,oak\nr1,B,2.00,oak\n")
    ).roster
    assert table.rows["r1"] == (
        Row("r1", "oak", "A", {"resident_id": "r1", "space": "A", "rate": "1.00", "property": "oak"}, 2),
        Row("r1", "oak", "B", {"resident_id": "r1", "space": "B", "rate": "2.00", "property": "oak"}, 3),
    )


def test_one_unit_number_in_two_properties(tmp_path):
    table = charge(load(tmp_path, ROSTER, r__csv="unit,rate,property\n1,1.00,oak\n1,2.00,elm\n")).roster
    assert [row.property for row in table.rows["1"]] == ["oak", "elm"]


FAULTS = [
    (ROSTER, "", "1:1 error: The file is empty. Begin it with a header: resident_id or lease_id or unit, and further columns."),
    (ROSTER, "name,rate\nx,1.00\n", "1:1 error: The header has no column `resident_id` or `lease_id` or `unit`, which is the key. The columns are: `name`, `rate`."),
    (ROSTER, "units,rate\n1,1.00\n", "1:1 error: The header has no column `resident_id` or `lease_id` or `unit`, which is the key. If `units` is meant, call it `unit`."),
    (ROSTER, "unit,resident_id,rate\n1,r,1.00\n", "1:1 error: The header has `resident_id` and `unit`, and only one can be the key. Rename the column that is only for people, to `unit_number` for instance."),
    (ROSTER, "unit;rate\n1;1.00\n", "1:1 error: The columns are separated by semicolons. Save the file with commas."),
    (ROSTER, "unit,,rate\n1,,1.00\n", "1:1 error: Column 2 has no name. Name it in the header, or delete it."),
    (ROSTER, "unit,rate,rate\n1,1.00,2.00\n", "1:1 error: The column `rate` is there twice. Rename or delete one of them."),
    (ROSTER, "unit,rate\n1,1.00\n2\n", "3:1 error: The row has 1 cell, the header has 2. Put a cell with a comma in quotes."),
    (ROSTER, "unit,rate\n1,1,250.00\n", "2:1 error: The row has 3 cells, the header has 2. Put a cell with a comma in quotes."),
    (ROSTER, "unit,rate\n,1.00\n", "2:1 error: The cell `unit` is empty. Every row needs one; delete the row if it is not meant."),
    (ROSTER, "unit,rate\n1,1.00\n2,1.00\n1,2.00\n", "4:1 error: The unit `1` is there twice: first on line 2. Delete one; where one key has several rows on purpose, a roster takes `{file: …, item: COLUMN}`."),
    (ROSTER, 'unit,rate\n1,"1.00\n', '2:1 error: The row cannot be read: a quote is never closed. Write a quote inside a quoted cell twice: "".'),
    (ROSTER, 'unit,rate\n1,"1.00"x\n', '2:1 error: The row cannot be read: text follows a closing quote. Write a quote inside a quoted cell twice: "".'),
    (ROSTER, b"unit,rate\n1,1.00\nB\xe4r,2.00\n", "3:2 error: The byte 0xE4 is not UTF-8. Save the file as UTF-8; it was probably saved as Windows-1252."),
    (ROSTER, "unit,rate\n1,75\n", "2:1 error: In the column `rate`, `75` could be dollars or cents: write `75.00` for dollars or `0.75` for cents. `roster.rate` is used on line 9 of plans/plan.yaml."),
    (ROSTER, 'unit,rate\n1,"$1,000,000,000.00"\n', "2:1 error: In the column `rate`, `$1,000,000,000.00` is a billion or more: check the number of digits. `roster.rate` is used on line 9 of plans/plan.yaml."),
    (ROSTER, "unit,rate\n1,75.000\n", "2:1 error: In the column `rate`, `75.000` is not money: write exactly two decimals, as in `35.00`. `roster.rate` is used on line 9 of plans/plan.yaml."),
    (ITEMS, "unit,rate,bay\n1,1.00,A\n", "1:1 error: The header has no column `space`, which is the roster's `item`. The columns are: `unit`, `rate`, `bay`."),
    (ITEMS, "unit,rate,space\n1,1.00,A\n1,2.00,A\n", "3:1 error: The unit `1` with the space `A` is there twice: first on line 2. Delete one of them."),
    (ITEMS, "unit,rate,space\n1,1.00,\n", "2:1 error: The cell `space` is empty. Every row needs one; delete the row if it is not meant."),
    (TABLE, "resident_id,rate\nr1,1.00\n", "1:1 error: The header has no column `unit`, which is the key. The columns are: `resident_id`, `rate`."),
    (PERIOD, "period,rate\n08/2027,1.00\n", "2:1 error: `08/2027` is not a period. Write the year and the month: 2027-08."),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "content", "expected"), FAULTS, ids=[row[2][:70] for row in FAULTS])
def test_fault(tmp_path, plan, content, expected):
    loaded = load(tmp_path, plan, r__csv=content)
    assert told(loaded.diagnostics) == [f"plans/r.csv:{expected}"]
    assert loaded.project is None


@pytest.mark.parametrize(("use", "cell", "flaw"), [
    ("amount: {rate: 1.00, per: roster.x}", "two", "`two` is not a number"),
    ("amount: 1.00\n    split: {by: roster.x}", "-1", "`-1` is negative"),
    ("amount: 1.00\n    once: roster.x", "1/5/2027", "`1/5/2027` is not a date: write it like 2027-01-05"),
    ("amount: 1.00\n    once: roster.x", "2027-02-30", "`2027-02-30` is no day of the calendar"),
])  # fmt: skip
def test_cells_are_what_their_column_is_used_as(tmp_path, use, cell, flaw):
    head = HEAD + RENT.replace(
        "    schedule: {every: month}\n", "" if "once" in use else "    schedule: {every: month}\n"
    )
    loaded = load(
        tmp_path, f"{head}    roster: r.csv\n    {use}\n", r__csv=f"resident_id,x\nr0,\nr1,{cell}\n"
    )
    assert [(str(each.place), each.summary) for each in loaded.diagnostics] == [
        ("plans/r.csv:3:1", f"In the column `x`, {flaw}.")
    ]


def test_an_unknown_column_is_told_where_it_is_named(tmp_path):
    loaded = load(tmp_path, ROSTER.replace("roster.rate", "roster.raet"), r__csv="unit,rate\n1,1.00\n")
    assert told(loaded.diagnostics) == [
        "plans/plan.yaml:9:20 error: `plans/r.csv` has no column `raet`. Did you mean `rate`?"
    ]


def test_all_bad_rows_are_told(tmp_path):
    loaded = load(tmp_path, ROSTER, r__csv="unit,rate\n1\n2,2.00\n2,2.00\n3,1.00,x\n")
    assert [each.place.line for each in loaded.diagnostics] == [2, 4, 5]


def test_a_bill_needs_a_table_by_period_and_a_weight_one_by_unit(tmp_path):
    plan = HEAD + "tables: {t: {file: r.csv, key: unit}, p: {file: p.csv, key: period}}\n" + RENT
    plan += "    amount:\n      allocate: {from: table.t.x}\n      weights: {table.p.x: 100}\n"
    loaded = load(tmp_path, plan, r__csv="unit,x\n1,1.00\n", p__csv="period,x\n2027-01,1\n")
    assert told(loaded.diagnostics) == [
        "plans/plan.yaml:11:24 error: A bill's table has the key `period`; `t` has the key `unit`. Use a table with `key: period`.",
        "plans/plan.yaml:12:17 error: A weight's table has the key `unit`; `p` has the key `period`. Use a table with `key: unit`.",
    ]


@pytest.mark.parametrize("properties", ["all", "[oak, elm]"])
def test_several_properties_need_a_property_column(tmp_path, properties):
    plan = ROSTER.replace("[oak]", properties)
    loaded = load(tmp_path, plan, r__csv="unit,rate\n1,1.00\n")
    assert told(loaded.diagnostics) == [
        "plans/plan.yaml:10:5 error: The plan has several properties, and `plans/r.csv` has no column `property`. Add it, with each property's alias, name or id."
    ]
    assert load(tmp_path, plan, r__csv="unit,rate,property\n1,1.00,oak\n").project


def test_a_link_out_of_the_project_is_refused(tmp_path):
    outside = tmp_path / "outside.csv"
    outside.write_text("unit,rate\n1,1.00\n")
    project = tmp_path / "project"
    (project / "plans").mkdir(parents=True)
    (project / "plans" / "r.csv").symlink_to(outside)
    loaded = load(project, ROSTER)
    assert told(loaded.diagnostics) == [
        "plans/plan.yaml:10:13 error: `r.csv` lies outside the project. Copy the file into the folder of chargeplan.yaml."
    ]


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "plans" / "r.csv").mkdir(parents=True)
    assert [each.summary for each in load(tmp_path, ROSTER).diagnostics] == [
        "The file `plans/r.csv` cannot be read: it is no regular file."
    ]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40) | st.text(alphabet='unit,"\n\r;\t é\x00', max_size=40).map(str.encode))
def test_no_content_raises(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("p")
    (root / "r.csv").write_bytes(data)
    problems = Problems()
    files = Files(root, problems)
    for table in (load_roster(files, "r.csv", None, None), load_table(files, "r.csv", "unit", None)):
        assert table is not None or problems.error_count
