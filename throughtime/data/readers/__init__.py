"""Readers of tables: CSV, TSV, JSON lines, Parquet, label-first lines, plain lines, folders and archives of classes."""

from throughtime.data.readers.rows import Row, Table
from throughtime.data.readers.tables import FORMATS, read_table

__all__ = ["FORMATS", "Row", "Table", "read_table"]
