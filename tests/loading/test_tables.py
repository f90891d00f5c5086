"""CSV rosters and tables: what is read, and each fault with the file and the row's line."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeplan.core.diagnostic import Place
from chargeplan.core.plan import Row
from chargeplan.loading.files import Files
from chargeplan.loading.node import Problems
from chargeplan.loading.tables import Source, load_roster, load_table
from tests.loading.helpers import HEAD, RENT, charge, load, told

R = "plans/r.csv"
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
        Row(
            key="r1",
            property="oak",
            item="A",
            cells={"resident_id": "r1", "space": "A", "rate": "1.00", "property": "oak"},
            file=R,
            line=2,
        ),
        Row(
            key="r1",
            property="oak",
            item="B",
            cells={"resident_id": "r1", "space": "B", "rate": "2.00", "property": "oak"},
            file=R,
            line=3,
        ),
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
    (ROSTER, "unit,,rate\n1,,1.00\n", "1:6 error: Column 2 has no name. Name it in the header, or delete it."),
    (ROSTER, "unit,rate,rate\n1,1.00,2.00\n", "1:11 error: The column `rate` is there twice. Rename or delete one of them."),
    (ROSTER, "unit,rate\n1,1.00\n2\n", "3:2 error: The row has 1 cell, the header has 2. Put a cell with a comma in quotes."),
    (ROSTER, "unit,rate\n1,1,250.00\n", "2:5 error: The row has 3 cells, the header has 2. Put a cell with a comma in quotes."),
    (ROSTER, "unit,rate\n,1.00\n", "2:1 error: The cell `unit` is empty. Every row needs one; delete the row if it is not meant."),
    (ROSTER, "unit,rate\n1,1.00\n2,1.00\n1,2.00\n", "4:1 error: The unit `1` is there twice: first on line 2. Delete one; where one key has several rows on purpose, a roster takes `{file: …, item: COLUMN}`."),
    (ROSTER, 'unit,rate\n1,"1.00\n', '2:3 error: The row cannot be read: a quote is never closed. Write a quote inside a quoted cell twice: "".'),
    (ROSTER, 'unit,rate\n1,"1.00"x\n', '2:9 error: The row cannot be read: text follows a closing quote. Write a quote inside a quoted cell twice: "".'),
    (ROSTER, b"unit,rate\n1,1.00\nB\xe4r,2.00\n", "3:2 error: The byte 0xE4 is not UTF-8. Save the file as UTF-8; it was probably saved as Windows-1252."),
    (ROSTER, "unit\trate\n1\t1.00\n", "1:1 error: The columns are separated by tabs. Save the file with commas."),
    (ROSTER, "sep=,\nunit,rate\n1,1.00\n", "1:1 error: The line `sep=,` is Excel's, and no header. Delete the line."),
    (ROSTER, "sep=;\nunit;rate\n1;1.00\n", "1:1 error: The line `sep=;` is Excel's, and no header. Delete the line."),
    (ROSTER, 'unit,note,rate\n1,"a,\nb",x\n', "3:4 error: In the column `rate`, `x` is not money: write a decimal with two places, as in `35.00`, `$1,250.00` or `-100.00`. `roster.rate` is used on line 9 of plans/plan.yaml."),
    (ROSTER, 'unit,note,rate\n1,"say ""hi, you""","1,25"\n', "2:21 error: In the column `rate`, `1,25` is not money: write `1.25`, if that is meant. `roster.rate` is used on line 9 of plans/plan.yaml."),
    (ROSTER, 'unit,rate\n1,"$10,000,000,000.00"\n', "2:3 error: In the column `rate`, `$10,000,000,000.00` is ten billion or more: check the number of digits. `roster.rate` is used on line 9 of plans/plan.yaml."),
    (ROSTER, "unit,rate\n1,75.000\n", "2:3 error: In the column `rate`, `75.000` is not money: write exactly two decimals, as in `35.00`. `roster.rate` is used on line 9 of plans/plan.yaml."),
    (ITEMS, "unit,rate,bay\n1,1.00,A\n", "1:1 error: The header has no column `space`, which is the roster's `item`. The columns are: `unit`, `rate`, `bay`."),
    (ITEMS, "unit,rate,space\n1,1.00,A\n1,2.00,A\n", "3:1 error: The unit `1` with the space `A` is there twice: first on line 2. Delete one of them."),
    (ITEMS, "unit,rate,space\n1,1.00,\n", "2:8 error: The cell `space` is empty. Every row needs one; delete the row if it is not meant."),
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
        ("plans/r.csv:3:4", f"In the column `x`, {flaw}.")
    ]


@pytest.mark.parametrize("when", [
    "once: 2027-02-01\n    service: {from: roster.first, through: roster.last}",
    "schedule: {every: month, from: roster.first, through: roster.last}",
])  # fmt: skip
def test_days_that_end_before_they_begin_are_told_at_their_row(tmp_path, when):
    """A row that could never bill anything is a slip of the year or of the columns."""
    head = HEAD + RENT.replace("    schedule: {every: month}\n", "")
    rows = "resident_id,first,last\nr0,2027-01-01,2027-01-31\nr1,2027-11-01,2027-01-31\nr2,2027-01-01,\n"
    loaded = load(tmp_path, f"{head}    roster: r.csv\n    amount: 1.00\n    {when}\n", r__csv=rows)
    assert told(loaded.diagnostics)[0] == (
        "plans/r.csv:3:15 error: `last` 2027-01-31 lies before `first` 2027-11-01. Swap them, or correct the year."
    )


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


# --- which rows are meant ------------------------------------------------------------------------------------------

BILLS = (
    HEAD
    + RENT.replace("code: Rent", "code: {from: roster.code}").replace(
        "schedule: {every: month}", "once: roster.date"
    )
    + "    amount: {from: roster.amount}\n    roster: {file: bills/*.csv, item: ref}\n"
)


def bills(root, plan=BILLS, **months):
    (root / "plans" / "bills").mkdir(parents=True)
    for month, rows in months.items():
        text = "unit,date,code,amount,ref\n" + rows
        (root / "plans" / "bills" / f"{month.lstrip('m')}.csv").write_text(text)
    return load(root, plan)


def test_the_rows_of_all_files_of_a_pattern_in_the_order_of_their_names(tmp_path):
    loaded = bills(
        tmp_path,
        m2027_09="101,2027-09-05,WTR,12.00,a\n",
        m2027_08="101,2027-08-05,WTR,11,a\n102,2027-08-05,TRS,4.5,b\n",
    )
    table = charge(loaded).roster
    assert [(row.file, row.line, row.key, row.item) for row in table.all_rows()] == [
        ("plans/bills/2027_08.csv", 2, "101", "a"),
        ("plans/bills/2027_09.csv", 2, "101", "a"),
        ("plans/bills/2027_08.csv", 3, "102", "b"),
    ]
    assert sorted(loaded.project.digests) == [
        "chargeplan.yaml", "plans/bills/2027_08.csv", "plans/bills/2027_09.csv", "plans/plan.yaml",
    ]  # fmt: skip


def test_every_code_of_the_files_is_owned_and_knows_its_cell(tmp_path):
    loaded = bills(
        tmp_path, m08="101,2027-08-05,WTR,11.00,a\n102,2027-08-05,TRS,4.50,b\n103,2027-08-05,WTR,1.00,c\n"
    )
    assert loaded.project.plans[0].owns == ("WTR", "TRS")
    assert {name: str(place) for name, place in charge(loaded).codes.items()} == {
        "WTR": "plans/bills/08.csv:2:16",
        "TRS": "plans/bills/08.csv:3:16",
    }


def test_a_row_without_a_code_is_an_error_at_its_cell(tmp_path):
    assert told(bills(tmp_path, m08="101,2027-08-05,,11.00,a\n").diagnostics) == [
        "plans/bills/08.csv:2:16 error: In the column `code`, the cell is empty, and each row needs its charge code. `roster.code` is used on line 7 of plans/plan.yaml."
    ]


def test_the_same_item_on_another_day_is_another_line_and_on_the_same_day_an_error(tmp_path):
    loaded = bills(
        tmp_path,
        m08="101,2027-08-05,WTR,11.00,a\n",
        m09="101,2027-09-05,WTR,11.00,a\n101,2027-08-05,WTR,11.00,a\n",
    )
    assert told(loaded.diagnostics) == [
        "plans/bills/09.csv:3:1 error: The unit `101` with the ref `a` on `2027-08-05` is there twice: first on line 2 of plans/bills/08.csv. Delete one of them."
    ]


@pytest.mark.parametrize(("where", "keys"), [
    ("{code: WTR}", ["101", "103"]),
    ("{code: [WTR, TRS], unit: 102}", ["102"]),
])  # fmt: skip
def test_where_takes_the_rows_that_have_the_values(tmp_path, where, keys):
    plan = BILLS.replace("item: ref", f"item: ref, where: {where}")
    rows = "101,2027-08-05,WTR,11.00,a\n102,2027-08-05,TRS,4.50,b\n103,2027-08-05,WTR,1.00,c\n104,2027-08-05,GAS,x,d\n"
    assert list(charge(bills(tmp_path, plan, m08=rows)).roster.rows) == keys


def test_where_names_a_column_and_a_value_that_are_there(tmp_path):
    rows = "101,2027-08-05,WTR,11.00,a\n"
    loaded = bills(tmp_path, BILLS.replace("item: ref", "item: ref, where: {cod: WTR}"), m08=rows)
    assert told(loaded.diagnostics) == [
        "plans/plan.yaml:10:52 error: `plans/bills/08.csv` has no column `cod`. Did you mean `code`?"
    ]
    loaded = load(tmp_path, BILLS.replace("item: ref", "item: ref, where: {code: WRT}"))
    assert told(loaded.diagnostics) == [
        "plans/plan.yaml:10:58 warning: No row of `plans/bills/08.csv` has `WRT` in its column `code`. Did you mean `WTR`?"
    ]


def test_an_empty_amount_is_held_or_the_row_is_as_if_it_were_not_there(tmp_path):
    rows = "101,2027-08-05,WTR,,a\n102,2027-08-05,WTR,1.00,b\n101,2027-08-05,WTR,2.00,a\n"
    assert len(bills(tmp_path, m08=rows).diagnostics) == 1
    loaded = load(tmp_path, BILLS.replace("item: ref", "item: ref, empty: skip"))
    assert [row.line for row in charge(loaded).roster.all_rows()] == [4, 3]


def test_empty_is_about_an_amount_of_the_roster(tmp_path):
    plan = BILLS.replace("item: ref", "item: ref, empty: skip").replace("{from: roster.amount}", "3.00")
    assert told(bills(tmp_path, plan, m08="101,2027-08-05,WTR,,a\n").diagnostics) == [
        "plans/plan.yaml:10:51 error: `empty: skip` leaves out rows without an amount, and the amount is not the roster's. Write `amount: {from: roster.COLUMN}`, or delete `empty`."
    ]


def test_hidden_files_are_no_rosters(tmp_path):
    loaded = bills(tmp_path, **{"m08": "101,2027-08-05,WTR,1.00,a\n", "m.09": "not,a,bill\n"})
    assert charge(loaded).roster.headers.keys() == {"plans/bills/08.csv"}


def test_a_pattern_that_nothing_fits_and_a_link_to_nowhere_are_errors(tmp_path):
    assert [each.summary for each in bills(tmp_path).diagnostics] == ["No file fits `bills/*.csv`."]
    (tmp_path / "plans" / "bills" / "09.csv").symlink_to("gone.csv")
    [problem] = load(tmp_path, BILLS).diagnostics
    assert "plans/bills/09.csv" in problem.summary


def test_each_file_of_a_pattern_has_the_columns_that_are_used(tmp_path):
    (tmp_path / "plans" / "bills").mkdir(parents=True)
    (tmp_path / "plans" / "bills" / "08.csv").write_text(
        "unit,date,code,amount,ref\n101,2027-08-05,WTR,1.00,a\n"
    )
    (tmp_path / "plans" / "bills" / "09.csv").write_text(
        "unit,date,code,Amount,ref\n101,2027-09-05,WTR,2.00,a\n"
    )
    # What is near is looked for in that file's own header.
    assert [(each.summary, each.detail) for each in load(tmp_path, BILLS).diagnostics] == [
        ("`plans/bills/09.csv` has no column `amount`.", "Did you mean `Amount`?")
    ]


METERS = (
    HEAD
    + "tables: {meters: {file: r.csv, key: [unit, period]}}\n"
    + RENT
    + "    amount: {rate: 0.05, per: table.meters.used}\n"
)


def test_a_table_of_units_and_months_has_a_row_for_each(tmp_path):
    loaded = load(tmp_path, METERS, r__csv="unit,period,used\n101,2027-07,5\n101,2027-08,7\n")
    table = loaded.project.plans[0].tables["meters"]
    assert [(row.key, row.period, row.cells["used"]) for row in table.all_rows()] == [
        ("101", "2027-07", "5"),
        ("101", "2027-08", "7"),
    ]


@pytest.mark.parametrize(("content", "expected"), [
    ("unit,used\n101,5\n", "1:1 error: The header has no column `period`, which is a part of the key. The columns are: `unit`, `used`."),
    ("unit,period,used\n101,2027-8,5\n", "2:5 error: `2027-8` is not a period. Write the year and the month: 2027-08."),
    ("unit,period,used\n101,2027-08,5\n101,2027-08,6\n", "3:1 error: The unit `101` in `2027-08` is there twice: first on line 2. Delete one of them."),
])  # fmt: skip
def test_a_table_of_units_and_months_is_checked(tmp_path, content, expected):
    assert told(load(tmp_path, METERS, r__csv=content).diagnostics) == [f"plans/r.csv:{expected}"]


def test_a_note_with_a_line_break_is_told_at_its_cell(tmp_path):
    plan = ROSTER + '    description: "Parking {{ roster.note }}"\n'
    loaded = load(tmp_path, plan, r__csv='unit,rate,note\n1,1.00,ok\n2,1.00,"one\ntwo"\n')
    assert told(loaded.diagnostics) == [
        "plans/r.csv:3:8 error: In the column `note`, the text 'one\\ntwo' has a line break, and a line's text is one line. `roster.note` is used on line 11 of plans/plan.yaml."
    ]
    joined = plan.replace("roster.note", "roster.note | striptags")
    assert load(tmp_path, joined, r__csv='unit,rate,note\n2,1.00,"one\ntwo"\n').project


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
    source = Source(("r.csv",), Place("plan.yaml", 1))
    for table in (load_roster(files, source), load_table(files, source, "unit")):
        assert table is not None or problems.error_count


def test_a_header_of_forty_thousand_columns_is_read_in_seconds(tmp_path):
    columns = ",".join(f"c{number}" for number in range(40_000))
    began = time.process_time()
    loaded = load(tmp_path, ROSTER, r__csv=f"unit,rate,{columns}\n1,1.00{',' * 40_000}\n")
    assert told(loaded.diagnostics) == []
    assert time.process_time() - began < 5


def test_a_file_has_at_most_two_million_cells(tmp_path):
    loaded = load(tmp_path, ROSTER, r__csv="unit,rate\n" + "\n" * 2_000_000)
    assert [each.summary for each in loaded.diagnostics] == ["The file has more than 2,000,000 cells."]


def test_of_a_hundred_thousand_wrong_rows_fifty_thousand_are_told(tmp_path):
    loaded = load(tmp_path, ROSTER, r__csv="unit,rate\n" + "1\n" * 100_000)
    assert len(loaded.diagnostics) == 50_001
    assert "There are more than 50,000 problems; from here on they are not listed." in {
        each.summary for each in loaded.diagnostics
    }
