"""CoNLL-U and CoNLL columns: what is read, what is refused with its line, and that all is given back."""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import islice

import pytest

from throughtime.data.readers.conll import read_conll
from throughtime.data.readers.conllu import COLUMNS, read_conllu
from throughtime.data.readers.sentences import write_sentences
from throughtime.errors import DataError, UsageError

TREE = """# sent_id = 1
# text = It's not what I'd.
1-2\tIt's\t_\t_\t_\t_\t_\t_\t_\t_
1\tIt\tit\tPRON\tPRP\tCase=Nom\t0\troot\t0:root\t_
2\t's\tbe\tAUX\tVBZ\t_\t1\tcop\t1:cop\tSpaceAfter=No
# a remark in between
3\tnot so\tnot\tPART\tRB\t_\t1\tadvmod\t1:advmod\t_
3.1\twhat\twhat\tPRON\tWP\t_\t_\t_\t1:dep\t_

"""
SECOND = "1\tGo\tgo\tVERB\tVB\t_\t0\troot\t_\t_\n\n"
CHUNKS = "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n# # I-NP O\n"


def words(number, label="X"):
    return f"{number}\tw\t_\t{label}\t_\t_\t_\t_\t_\t_\n"


def read(sentences):
    return [(sentence.tokens, sentence.labels, sentence.lines) for sentence in sentences]


def text(sentences):
    return "".join(sentence.written() for sentence in sentences)


# CoNLL-U


def test_conllu(write):
    path = write("a.conllu", TREE + SECOND)
    sentences = list(read_conllu(path))
    assert read(sentences) == [(["It", "'s", "not so"], ["PRON", "AUX", "PART"], [4, 5, 7]), (["Go"], ["VERB"], [10])]
    assert {sentence.path for sentence in sentences} == {str(path)}
    assert text(sentences) == TREE + SECOND


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("xpos", ["PRP", "VBZ", "RB"]),
        ("5", ["PRP", "VBZ", "RB"]),
        ("feats", ["Case=Nom", "_", "_"]),
        ("deprel", ["root", "cop", "advmod"]),
        ("head", ["0", "1", "1"]),
        ("lemma", ["it", "be", "not"]),
    ],
)
def test_conllu_labels_of_another_column(write, label, found):
    [sentence] = read_conllu(write("a", TREE), label=label)
    assert sentence.labels == found
    new = sentence.written(["A", "B", "C"]).splitlines()
    old = TREE.splitlines()
    at = COLUMNS.index(label) if label in COLUMNS else int(label) - 1
    for line, (before, after) in enumerate(zip(old, new, strict=True), 1):
        if line in sentence.lines:
            fields = before.split("\t")
            fields[at] = "ABC"[sentence.lines.index(line)]
            before = "\t".join(fields)
        assert after == before


def test_conllu_words_of_another_column(write):
    [sentence] = read_conllu(write("a", TREE), text="lemma")
    assert sentence.tokens == ["it", "be", "not"]


def test_conllu_without_labels(write):
    path = write("a", SECOND.replace("VERB", "_") + SECOND)
    first, second = read_conllu(path, need_label=False)
    assert (first.labels, second.labels) == (None, ["VERB"])
    assert first.written(["INTJ"]) == SECOND.replace("VERB", "INTJ")
    with pytest.raises(DataError, match='expected a label, found "_"') as error:
        list(read_conllu(path))
    assert (error.value.line, error.value.column) == (1, "upos")


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("1\tGo\tgo\tVERB\n", 1, "expected 10 columns with a tab between them, found 4"),
        (SECOND + "1\tGo\tgo\tVERB\tVB\t_\t0\troot\t_\t_\t_\n", 3, "expected 10 columns .* found 11"),
        ("1 Go go VERB VB _ 0 root _ _\n", 1, r"found 1 \(blanks part no columns\)"),
        (words(1) + words(3), 2, 'expected the id 2, or one such as 3-4 or 8.1, found "3"'),
        (words(1) + words(1), 2, r'found "1" \(is the blank line between two sentences missing\?\)'),
        (words("one"), 1, 'expected the id 1, .* found "one"'),
        (words("1" * 5000), 1, r'found "1{37}\.\.\."'),
        (words("1 "), 1, 'found "1 "'),
        (words("\u0661"), 1, "expected the id 1"),
        (words(""), 1, 'found ""'),
        (words("0.1") + "\n" + words(1), 2, "expected words in a sentence, found none"),
        (words("1-2"), 1, "expected words in a sentence, found none"),
        (words(1, label=""), 1, 'expected a label or "_", found nothing'),
        (words(1, label=" "), 1, 'expected a label or "_", found nothing'),
        (words(1).replace("w", " "), 1, "expected a word, found nothing"),
        ("\t\n", 1, "expected 10 columns"),
        (words(1).replace("w", "w\rw"), 1, "carriage return inside a line"),
        ("\n" + words(1).replace("w", "\0"), 2, "NUL"),
        ("", None, "expected sentences, found an empty file"),
        ("\ufeff", None, "expected sentences, found only blank"),
        ("\n\n# newdoc\n", None, "expected sentences, found only blank lines and comments"),
    ],
)
def test_conllu_faults_name_the_line(write, content, line, said):
    path = write("a.conllu", content)
    with pytest.raises(DataError, match=said) as error:
        list(read_conllu(path))
    assert (error.value.path, error.value.line) == (str(path), line)


@pytest.mark.parametrize(
    "options", [{"label": "pos"}, {"label": "id"}, {"label": "11"}, {"label": "0"}, {"text": "1"}, {"label": "form"}]
)
def test_conllu_columns_that_cannot_be(options):
    with pytest.raises(UsageError, match="column"):
        read_conllu("a.conllu", **options)


# CoNLL columns


def test_conll(write):
    sentences = list(read_conll(write("a.conll", CHUNKS)))
    assert read(sentences) == [(["EU", "rejects"], ["I-ORG", "O"], [3, 4]), (["#"], ["O"], [6])]
    assert text(sentences) == CHUNKS
    assert sentences[0].written(["B-ORG", "O"]) == "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\n"


def test_conll_columns_by_number(write):
    path = write("a", CHUNKS)
    assert read(read_conll(path, text=2, label=3)) == [
        (["NNP", "VBZ"], ["I-NP", "I-VP"], [3, 4]),
        (["#"], ["I-NP"], [6]),
    ]
    [first, _] = read_conll(path, text=2, label=1)
    assert first.written(["a", "b"]).splitlines()[2:4] == ["a NNP I-NP I-ORG", "b VBZ I-VP O"]


def test_conll_a_document_ends_a_sentence(write):
    path = write("a", "a X\n-DOCSTART-\nb Y\n-DOCSTART-x Z\n")
    assert read(read_conll(path)) == [(["a"], ["X"], [1]), (["b", "-DOCSTART-x"], ["Y", "Z"], [3, 4])]


def test_conll_tabs_part_columns_that_hold_blanks(write):
    content = "10 000\tNUM \t I-X \nb\t\tO\n"
    [sentence] = read_conll(write("a", content))
    assert (sentence.tokens, sentence.labels) == (["10 000", "b"], ["I-X", "O"])
    assert sentence.written(["A B", "C"]) == "10 000\tNUM \t A B \nb\t\tC\n"


def test_conll_keeps_separators_line_ends_and_trailing_blanks(write):
    content = "\ufeff\r\n \t\r\nNew   NNP  B-LOC \r\nYork\tNNP I-LOC\t\n \r\n\n\nrains VBZ O"
    first, second = read_conll(write("a", content))
    assert (first.lines, second.lines) == ([3, 4], [8])
    assert first.written(["A", "B"]) == "\ufeff\r\n \t\r\nNew   NNP  A \r\nYork\tNNP B\t\n \r\n"
    assert second.written(["C"]) == "\n\nrains VBZ C"


def test_a_byte_order_mark_is_no_part_of_the_first_column(write):
    [sentence] = read_conll(write("a", "\ufeffX a\n"), text=2, label=1)
    assert (sentence.labels, sentence.written(["Y"])) == (["X"], "\ufeffY a\n")
    [sentence] = read_conll(write("c", "\ufeff\ufeff\n"), need_label=False)  # of two the second is a letter
    assert (sentence.tokens, sentence.written(["Y"])) == (["\ufeff"], "\ufeff\ufeff Y\n")
    [sentence] = read_conllu(write("b", "\ufeff" + SECOND))
    assert (sentence.tokens, sentence.written(["X"])) == (["Go"], "\ufeff" + SECOND.replace("VERB", "X"))


def test_what_stands_last_is_given_back(write):
    content = "a X\n\n\n \n-DOCSTART- O\n\n"
    [sentence] = read_conll(write("a", content))
    assert sentence.written() == content


def test_conll_without_labels_gets_a_column(write):
    [sentence] = read_conll(write("a", "New\r\nYork \n"), need_label=False)
    assert sentence.labels is None
    assert sentence.written(["B", "I"]) == "New B\r\nYork I \n"
    [sentence] = read_conll(write("b", "New\tNNP\nYork\t\n"), label=3, need_label=False)
    assert sentence.written(["B x", "I"]) == "New\tNNP\tB x\nYork\t\tI\n"
    [sentence] = read_conll(write("c", "New NNP\n"), label=2, need_label=False)
    assert (sentence.labels, sentence.written(["X"])) == (["NNP"], "New X\n")


@pytest.mark.parametrize(
    ("content", "options", "line", "said"),
    [
        ("a b X\n\nc Y\n", {}, 3, "expected 3 columns as on line 1, found 2"),
        ("a X\nb c Y\n", {}, 2, "expected 2 columns as on line 1, found 3"),
        ("a\tX\nb Y\n", {}, 2, "expected 2 columns as on line 1, found 1"),
        ("\na X\n", {"label": 3}, 2, "expected 3 columns, found 2"),
        ("a X\n", {"text": 3}, 1, "expected 3 columns, found 2"),
        (
            "a X\n",
            {"label": 4, "need_label": False},
            1,
            "expected 4 columns, or one less without labels, or words alone, found 2",
        ),
        ("a\n", {}, 1, "expected a column beside that of the text, 1, found 1 column"),
        ("a b X\n", {"text": 3}, 1, "expected a column beside that of the text, 3, found 3 columns"),
        ("a\tX\nb\t \n", {}, 2, "expected a label, found nothing"),
        ("a\tX\n\tY\n", {}, 2, "expected a token, found nothing"),
        ("a X\rb Y\r", {}, 1, "carriage return inside a line"),
        ("a X\n\0 Y\n", {}, 2, "NUL"),
        (b"a X\n\xff Y\n", {}, 2, "expected utf-8 text, found the byte 0xFF"),
        ("", {}, None, "expected sentences, found an empty file"),
        ("\n\n", {}, None, "expected sentences, found only blank lines"),
        ("-DOCSTART- O\n", {}, None, "expected sentences, found only blank lines"),
    ],
)
def test_conll_faults_name_the_line(write, content, options, line, said):
    path = write("a.conll", content)
    with pytest.raises(DataError, match=said) as error:
        list(read_conll(path, **options))
    assert (error.value.path, error.value.line) == (str(path), line)


@pytest.mark.parametrize("options", [{"text": 0}, {"label": -1}, {"text": 2, "label": 2}, {"encoding": "utf-9"}])
def test_conll_options_that_cannot_be(options):
    with pytest.raises(UsageError):
        read_conll("a.conll", **options)


# Writing


@pytest.mark.parametrize("label", ["", "A B", "A\tB", "A\n", "\r", " A"])
def test_labels_that_would_not_be_read_again_are_refused(write, label):
    [sentence] = read_conll(write("a", "\na X\n"))
    with pytest.raises(DataError, match="expected a label that fits into a column, found") as error:
        sentence.written([label])
    assert error.value.line == 2


def test_as_many_labels_as_tokens(write):
    [sentence] = read_conll(write("a", "a X\nb Y\n"))
    with pytest.raises(ValueError, match="expected 2 labels, found 1"):
        sentence.written(["X"])


@pytest.mark.parametrize("name", ["out.conll", "out.conll.gz"])
def test_a_file_is_written_with_other_labels(write, tmp_path, name):
    path, out = write("a.gz", gzip.compress(b"a X\r\n\r\nb Y")), tmp_path / name
    assert write_sentences(out, ((s, ["Z"] if s.tokens == ["b"] else None) for s in read_conll(path))) == 2
    written = out.read_bytes()
    assert (gzip.decompress(written) if name.endswith(".gz") else written) == b"a X\r\n\r\nb Z"
    write_sentences(out, ((sentence, None) for sentence in read_conll(out)))
    assert read(read_conll(out))[1] == (["b"], ["Z"], [3])


def test_a_file_that_cannot_be_finished_leaves_what_was_there(write, tmp_path):
    path, out = write("a.conll", "a X\n\nb\n"), write("out.conll", "before")
    with pytest.raises(DataError, match="expected 2 columns as on line 1, found 1"):
        write_sentences(out, ((sentence, None) for sentence in read_conll(path)))
    assert out.read_text() == "before"
    assert {file.name for file in tmp_path.iterdir()} == {"a.conll", "out.conll"}


def test_what_an_encoding_cannot_spell_is_named(write, tmp_path):
    path = write("a.conll", "a X\n")
    with pytest.raises(DataError, match=r'latin-1 can spell, found "→" \(U\+2192\)') as error:
        write_sentences(tmp_path / "out", [(next(read_conll(path)), ["→"])], encoding="latin-1")
    assert error.value.line == 1


# Streaming


@pytest.mark.parametrize(("reader", "content"), [(read_conllu, SECOND), (read_conll, "a X\n\n")])
def test_sentences_come_before_the_file_is_read(write, reader, content):
    path = write("a", content * 1000 + "\0")
    with pytest.raises(DataError, match="NUL"):
        list(reader(path))
    path = write("b", content * 200_000 + "broken")
    assert len(list(islice(reader(path), 1000))) == 1000


def test_memory_does_not_grow_with_the_file(write, tmp_path):
    def peak(times):
        path = write("a", f"# {'x' * 3000}\n{TREE}" * times)
        tracemalloc.start()
        write_sentences(tmp_path / "out", ((sentence, ["X"] * 3) for sentence in read_conllu(path)))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    small, large = peak(1000), peak(3000)  # 3 and 10 MB
    assert large < small * 1.1


def test_a_sentence_of_one_token_and_one_of_many(write):
    path = write("a", "a X\n\n" + "b Y\n" * 5000)
    assert [len(sentence.tokens) for sentence in read_conll(path)] == [1, 5000]
