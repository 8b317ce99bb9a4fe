"""Columns by their name: the one a person asked for, or one whose name is well known."""

from __future__ import annotations

from collections.abc import Container, Sequence

from throughtime.data.readers.rows import shown
from throughtime.errors import DataError, UsageError

__all__ = [
    "LABEL_NAMES",
    "TAGS_NAMES",
    "TEXT_NAMES",
    "WORDS_NAMES",
    "find_column",
    "is_number",
    "known_column",
    "named_columns",
    "names_in",
]

# The first that stands in the table is taken, so the plainer word comes first.
TEXT_NAMES = (
    "text", "review", "review_text", "reviewtext", "sentence", "message", "content", "question", "utterance",
    "comment", "tweet", "document", "body", "post", "query", "description", "input", "sms", "headline",
    "phrase", "string", "title", "name",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "class", "category", "sentiment", "target", "topic", "intent", "tag", "polarity",
    "rating", "stars", "emotion", "language", "lang", "type", "genre", "y",
)  # fmt: skip
# Lists of words, and of their labels; several of one kind are no choice of ours, so their order says nothing.
WORDS_NAMES = (
    "tokens", "words", "token", "word", "forms", "form", "text", "sentence", "sentences",
)  # fmt: skip
TAGS_NAMES = (
    "labels", "tags", "label", "tag", "ner", "ner_tags", "ner_labels", "entities", "pos", "pos_tags", "upos",
    "upos_tags", "xpos", "xpos_tags", "chunks", "chunk_tags",
)  # fmt: skip


def is_number(column: str) -> bool:
    """Tell whether a column was asked for by a number rather than a name."""
    return column.isascii() and column.isdecimal() and len(column) < 10


def names_in(option: str | None) -> list[str]:
    """Give the names that an option has, with commas between them; none of none.

    Raises:
        UsageError: one is empty.

    >>> names_in("ref0, ref1"), names_in(None)
    (['ref0', 'ref1'], [])
    """
    names = [name.strip() for name in option.split(",")] if option else []
    if not all(names):
        raise UsageError(f"expected names with a comma between each two, found {option!r}")
    return names


def find_column(columns: Sequence[str], wanted: str, path: str) -> int:
    """Give the index of the column of this name, or else of this number from 1.

    Raises:
        DataError: there is no such column.
        UsageError: several columns have this name.

    >>> find_column(["id", "2", "text"], "2", "a.csv"), find_column(["id", "2", "text"], "3", "a.csv")
    (1, 2)
    """
    named = [index for index, name in enumerate(columns) if name == wanted]
    named = named or [index for index, name in enumerate(columns) if name.strip() == wanted]
    if len(named) > 1:
        raise UsageError(f"{path}: {len(named)} columns are named {wanted!r}: give the column's number from 1")
    if named:
        return named[0]
    if is_number(wanted) and 1 <= int(wanted) <= len(columns):
        return int(wanted) - 1
    raise DataError(f'expected a column "{wanted}", found the columns {shown(tuple(columns))}', path=path)


def known_column(columns: Sequence[str], names: Sequence[str], taken: Container[int | None] = ()) -> int | None:
    """Give the index of the column with the first of these names, in any case of letters.

    >>> known_column(["Id", "Review", "Sentiment"], TEXT_NAMES)
    1
    """
    free = {name.strip().casefold(): i for i, name in reversed([*enumerate(columns)]) if i not in taken}
    return next((free[name] for name in names if name in free), None)


def named_columns(
    columns: Sequence[str], text: str | None, label: str | None, path: str, need_label: bool = True
) -> tuple[int | None, int | None]:
    """Give text and label column as far as names and numbers tell; with `need_label=False` a label may miss.

    Raises:
        DataError: a column that was asked for is not there.
        UsageError: both are one column, or several columns have the name.
    """
    label_at = text_at = None
    if label is not None:
        try:
            label_at = find_column(columns, label, path)
        except DataError:
            if need_label:
                raise
    if text is not None:
        text_at = find_column(columns, text, path)
        if text_at == label_at:
            raise UsageError(f'the text and the label cannot be the same column, "{columns[text_at]}"')
    else:
        text_at = known_column(columns, TEXT_NAMES, [label_at])
    if label is None:
        label_at = known_column(columns, LABEL_NAMES, [text_at])
    return text_at, label_at
