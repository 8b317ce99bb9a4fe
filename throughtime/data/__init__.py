"""From a user's file to labelled examples: readers, columns, splits."""

from throughtime.data.columns import (
    Columns,
    Example,
    OpenExamples,
    Source,
    choose_columns,
    iter_examples,
    open_examples,
    read_examples,
    read_like,
)
from throughtime.data.files import read_text
from throughtime.data.readers import FORMATS, Row, Table, read_table
from throughtime.data.split import stratified_split

__all__ = [
    "FORMATS",
    "Columns",
    "Example",
    "OpenExamples",
    "Row",
    "Source",
    "Table",
    "choose_columns",
    "iter_examples",
    "open_examples",
    "read_examples",
    "read_like",
    "read_table",
    "read_text",
    "stratified_split",
]
