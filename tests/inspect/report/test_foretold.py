"""What the report of a language model shows of its symbols."""

from types import SimpleNamespace

import numpy as np

from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.inspect.report.foretold import Foretold, hardest


def test_symbols_that_do_not_occur_are_not_listed_and_blank_ones_are_seen():
    vocabulary = LanguageVocabulary.learn(["ab\t\r\n"], LanguageConfig())
    counts = np.array([0, 0, 0, 1, *([0] * 5)])
    for symbol in vocabulary.encode("a\t\r\n"):
        counts[symbol] = 2
    [html] = hardest(SimpleNamespace(vocabulary=vocabulary), {"valid": Foretold(counts * 1.5, counts)})
    assert [html.count(f"<code>{symbol}</code>") for symbol in ("a", "⇥", "␍", "⏎", "&lt;eos&gt;")] == [1] * 5
    assert not any(f"<code>{symbol}</code>" in html for symbol in ("b", "&lt;pad&gt;", "&lt;sos&gt;"))
