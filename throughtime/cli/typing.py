"""Typing in the terminal with the model's words offered below: tab takes one, return begins a new line."""

from __future__ import annotations

from collections.abc import Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from throughtime.model import LanguageModel

__all__ = ["NextWords", "type_with"]


class NextWords(Completer):
    """The most probable words on from what stands before the cursor.

    Args:
        model: tells them.
        count: how many.
    """

    def __init__(self, model: LanguageModel, count: int) -> None:
        self.model, self.count, self.before = model, count, ""
        """``before`` is what was typed on earlier lines: the model reads on from there."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Each with its probability beside it."""
        text = document.text_before_cursor
        for word, probability in self.model.complete(self.before + text, self.count):
            shown = text.split(" ")[-1] + word
            yield Completion(word, display=shown.strip() or "(ends)", display_meta=f"{probability:.1%}")


def type_with(model: LanguageModel, count: int) -> int:
    """Lines until Ctrl-D; each is kept as what the next one is read after."""
    words = NextWords(model, count)
    session: PromptSession[str] = PromptSession(completer=words, complete_while_typing=True)
    print("Type; tab takes a word, return begins a line, Ctrl-D ends.")
    while True:
        try:
            line = session.prompt("> ")
        except EOFError:
            return 0
        words.before = (words.before + line + model.line_end)[-KEPT:]


KEPT = 2000
"""Characters of earlier lines that are read again with every key."""
