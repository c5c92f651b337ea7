"""Rows of a CSV file with outcomes."""

import io

import pytest

from edge.cli.figures.outcome_rows import OutcomeRow, RowFault, read_rows
from edge.domain.errors import Invalid

NOW = 1_795_000_000.0
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
HEADER = "name,device,custom_id,time,value,id\n"
ROW = f"ticket,{DEVICE},,1794999000,2,T-1\n"


def rows_of(text, **options):
    return list(read_rows(io.StringIO(text, newline=""), NOW, **options))


def test_rows_are_read_as_the_api_takes_them():
    assert rows_of(HEADER + ROW + "rating,,user-7,2026-11-18T11:00:00+01:00,,R-9\n") == [
        OutcomeRow(2, {"name": "ticket", "device": DEVICE, "at": 1_794_999_000.0, "value": 2.0, "id": "T-1"}),
        OutcomeRow(3, {"name": "rating", "custom_id": "user-7", "at": 1_794_996_000.0, "id": "R-9"}),
    ]


def test_columns_come_in_any_order_and_some_may_be_missing():
    assert rows_of(f"ID, Time ,Device\nT-1,1794999000,{DEVICE}\n", name="ticket") == [
        OutcomeRow(2, {"name": "ticket", "device": DEVICE, "at": 1_794_999_000.0, "id": "T-1"})
    ]


def test_a_file_of_a_spreadsheet_may_have_semicolons():
    (row,) = rows_of((HEADER + ROW).replace(",", ";"))
    assert row.outcome["id"] == "T-1"


def test_other_columns_are_passed_over_and_told():
    told = []
    text = f"name,price,time,id,agent,device,price\nticket,9,1794999000,T-1,Ann,{DEVICE},8\n"
    (row,) = read_rows(io.StringIO(text, newline=""), NOW, told=told)
    assert row.outcome == {"name": "ticket", "device": DEVICE, "at": 1_794_999_000.0, "id": "T-1"}
    assert told == ["price", "agent", "price"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ticket,phone,,1794999000,2,T-1", "a device id is a UUID, of 36 characters"),
        (f"{'x' * 65},{DEVICE},,1794999000,2,T-1", "a name has 1 to 64 characters"),
        (f"ticket,,{'x' * 37},1794999000,2,T-1", "a custom id has 1 to 36 characters"),
        (f"ticket,{DEVICE},,1794999000,1e99,T-1", "a value is a number from -1,000,000,000,000,000 to "),
        (f"ticket,{DEVICE},,1794999000,2,{'x' * 65}", "an id has 1 to 64 characters"),
        (f"ticket,{DEVICE},,1995999000,2,T-1", "the time must be within the last 90 days, and at most 1 day ahead"),
        (f"ticket,{DEVICE},,1794999000,two,T-1", "'two' is not a number"),
        (f"ticket,{DEVICE},,1969-01-01T00:00:00Z,2,T-1", "the time is before 1970"),
    ],
)
def test_a_fault_says_what_is_needed(row, said):
    (found,) = rows_of(HEADER + row + "\n")
    assert found.message.startswith(said)


def test_lines_are_counted_as_editors_do():
    broken = f'"tick\net",{DEVICE},,1794999000,,T-1\n'
    rows = rows_of(HEADER + broken + "\n" + ROW)
    assert [row.line for row in rows] == [2, 5]
    assert isinstance(rows[0], RowFault) and rows[0].column == "name"


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (f"a:b,{DEVICE},,1794999000,2,T-1", "name"),
        (f",{DEVICE},,1794999000,2,T-1", "name"),
        (f"{'x' * 65},{DEVICE},,1794999000,2,T-1", "name"),
        ("ticket,phone,,1794999000,2,T-1", "device"),
        ("ticket,,,1794999000,2,T-1", "device"),
        (f"ticket,{DEVICE},user-7,1794999000,2,T-1", "device"),
        (f"ticket,,{'x' * 37},1794999000,2,T-1", "custom_id"),
        (f"ticket,{DEVICE},,,2,T-1", "time"),
        (f"ticket,{DEVICE},,yesterday,2,T-1", "time"),
        (f"ticket,{DEVICE},,2026-11-18T10:00:00,2,T-1", "time"),
        (f"ticket,{DEVICE},,1794999000000,2,T-1", "time"),
        (f"ticket,{DEVICE},,1594999000,2,T-1", "time"),
        (f"ticket,{DEVICE},,1794999000,two,T-1", "value"),
        (f"ticket,{DEVICE},,1794999000,nan,T-1", "value"),
        (f"ticket,{DEVICE},,1794999000,1e99,T-1", "value"),
        (f"ticket,{DEVICE},,1794999000,2,", "id"),
        (f"ticket,{DEVICE},,1794999000,2,{'x' * 65}", "id"),
        (f"ticket,{DEVICE},,1794999000", "id"),
        (f"ticket,{DEVICE},,1794999000,2,T-1,more", "id"),
    ],
)
def test_a_fault_names_its_line_and_column(row, column):
    found = rows_of(HEADER + ROW + row + "\n" + ROW)
    assert [type(each) for each in found] == [OutcomeRow, RowFault, OutcomeRow]
    assert (found[1].line, found[1].column) == (3, column)
    assert found[1].message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("name,time,id\n", "no column 'device' or 'custom_id'"),
        ("time,id\n", "no column 'name'"),
        ("name,time\n", "no column 'id'"),
        ("name,time,id,id\n", "'id' is there twice"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(text, said):
    with pytest.raises(Invalid, match=said) as refused:
        rows_of(text)
    assert refused.value.code == "invalid_header"


def test_what_is_no_csv_or_no_text_is_named_by_its_line():
    with pytest.raises(Invalid, match="line 3"):
        rows_of(HEADER + ROW + 'ticket,"x"y\n')
    latin = io.TextIOWrapper(io.BytesIO((HEADER + ROW).encode() + b"\xe4\n"), encoding="utf-8")
    with pytest.raises(Invalid, match="not UTF-8"):
        list(read_rows(latin, NOW))
