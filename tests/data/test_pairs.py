"""Pairs of texts: formats told, lines aligned, answers gathered, sources kept on one side."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import threading
from contextlib import closing
from dataclasses import asdict

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from throughtime.config import checked
from throughtime.data import corpus
from throughtime.data.corpus import Corpus
from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.data.pair import Pair
from throughtime.data.pair_formats import PairSource, tell_format
from throughtime.data.pairs import PairConfig, PairFiles, open_new_pairs, pair_meaning, read_pairs
from throughtime.data.parts import read_parts
from throughtime.data.readers.rows import Tally
from throughtime.errors import DataError, ThroughtimeError, UsageError

ENGLISH, GERMAN = "A dog.\nTwo cats\n\nNo.\n", "Ein Hund.\nZwei Katzen\n\nNein.\n"
ROWS = [("A dog.", "Ein Hund."), ("Two cats", "Zwei Katzen"), ("No.", "Nein.")]
TSV = "".join(f"{one}\t{other}\n" for one, other in ROWS)
JSONL = '{"id": 7, "en": "A dog.", "de": "Ein Hund."}\n{"id": 8, "en": "No.", "de": "Nein."}\n'
WORDS = """;;; a comment
tomato T AH0 M EY1 T OW2
#HASH-MARK HH AE1 SH
tomato(2)  T AH0 M AA1 T OW2 # old
read R EH1 D

read(2) R IY1 D
read(3) R IY2 D
"""


def table():
    out = io.BytesIO()
    parquet.write_table(pa.table({"de": ["Ein Hund.", "Nein."], "en": ["A dog.", "No."]}), out)
    return out.getvalue()


@pytest.fixture
def texts(write):
    """Parallel files; what their names begin with."""

    def texts(name="train", **content):
        for ending, text in content.items():
            packed = ending.endswith("_gz")
            write(f"{name}.{ending.replace('_', '.')}", gzip.compress(text.encode()) if packed else text)
        return write("beside", "").parent / name

    return texts


def new(path, **options):
    with open_new_pairs(path, PairConfig(**options)) as opened:
        return list(opened.examples), opened.source()


def like(path, source, **options):
    with closing(read_pairs(path, source, **options)) as pairs:
        return list(pairs)


def plain(pairs):
    return [(pair.text, *pair.targets) for pair in pairs]


# ---- parallel files ----


@pytest.mark.parametrize("endings", [*itertools.product(["en", "en_gz"], ["de", "de_gz"])])
def test_parallel_files(texts, endings):
    prefix = texts(**dict(zip(endings, (ENGLISH, GERMAN), strict=True)))
    pairs, source = new(prefix, source="en", target="de")
    assert plain(pairs) == ROWS
    paths = [f"{prefix}.{ending.replace('_', '.')}" for ending in endings]
    assert pairs[2] == Pair("No.", ("Nein.",), paths[0], 4, ((paths[1], 4),))
    assert source.notes == ["read as parallel files", "1 blank line skipped (first: line 3)"]
    assert PairFiles(PairConfig()).remember(asdict(source)) == source
    other = texts("val", en="Yes\r\n", de="Ja\r\n")
    assert plain(like(other, source)) == [("Yes", "Ja")]


def test_the_plain_one_of_two_files_is_read(texts):
    prefix = texts(en="a\n", en_gz="b\n", de="c\n")
    pairs, source = new(prefix, source="en", target="de")
    assert plain(pairs) == [("a", "c")]
    assert f"{prefix}.en is read, and not train.en.gz beside it" in source.notes


@pytest.mark.parametrize(("english", "german", "counts"), [("a\nb\n", "c\n", (2, 1)), ("", "c\n" * 1200, (0, 1200))])
def test_unequal_files(texts, english, german, counts):
    prefix = texts(en=english, de=german)
    with pytest.raises(DataError) as error:
        new(prefix, source="en", target="de")
    found = f"{counts[0]:,} in {prefix}.en and {counts[1]:,} in {prefix}.de"
    assert str(error.value) == f"expected files of equally many lines, found {found}"


def test_what_is_empty_on_one_side_is_left_out_and_counted(texts):
    prefix = texts(en="a\n\n \nb\nc\n", de="A\nB\nC\n\t\n C \n")
    pairs, source = new(prefix, source="en", target="de")
    assert plain(pairs) == [("a", "A"), ("c", "C")]
    assert source.notes[1:] == [
        "2 pairs have an empty source and are left out (first: line 2)",
        "3 texts have blanks around them, which are not read (first: line 3)",
        "1 pair has an empty target and is left out (first: line 4)",
    ]
    with pytest.raises(DataError, match=r"found none \(1 pair has an empty target and is left out \(first: line 1\)\)"):
        new(texts("none", en="a\n\n", de="\nb\n"), source="en", target="de")


def test_without_targets_every_line_comes(texts):
    _, source = new(texts(en="a\n", de="b\n"), source="en", target="de")
    assert plain(like(texts("new", en="x\n\n y\n"), source, need_target=False)) == [("x",), ("",), ("y",)]
    assert plain(like(texts("old", en="x\n\n", de="y\nz\n"), source, need_target=False)) == [("x", "y"), ("", "z")]


@pytest.mark.parametrize("target", ["ref", "ref0,ref1,ref2", "ref0, ref1,ref2"])
def test_several_right_answers(texts, target):
    prefix = texts("dev", src="a\nb\n", ref0="A\nB\n", ref1="AA\n\n", ref2="A\nBBB\n", ref4="-\n-\n")
    pairs, source = new(prefix, source="src", target=target)
    assert plain(pairs) == [("a", "A", "AA", "A"), ("b", "B", "BBB")]
    assert [place[0][-4:] for place in pairs[1].places] == ["ref0", "ref2"]
    assert "1 right answer beside others is empty and left out (first: line 2)" in source.notes
    assert ("each line has 3 right answers: dev.ref0, dev.ref1, dev.ref2" in source.notes) == (target == "ref")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("ref0,ref0", "expected a file for each right answer, found one twice in --target ref0,ref0"),
        ("ref,ref1", "found one twice in --target ref,ref1"),
        ("ref0,", "expected names with a comma between each two, found 'ref0,'"),
    ],
)
def test_each_right_answer_is_named_once(texts, target, told):
    with pytest.raises(UsageError, match=told):
        new(texts("dev", src="a\n", ref0="A\n", ref1="B\n"), source="src", target=target)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("de,de", "expected a column for each right answer, found one twice in --target de,de"),
        ("de,3", "found one twice in --target de,3"),
        (",de", "expected names with a comma between each two, found ',de'"),
    ],
)
def test_each_column_is_named_once(write, target, told):
    with pytest.raises(UsageError, match=told):
        new(write("a.csv", "n,en,de\n1,a,A\n"), source="en", target=target)


def test_numbers_of_right_answers_begin_at_0_or_1(texts):
    _, source = new(texts("dev", src="a\n", ref0="A\n"), source="src", target="ref")
    test = texts("test", src="c\n", ref1="C\n", ref2="D\n", ref4="E\n")
    assert plain(like(test, source)) == [("c", "C", "D")]


def test_files_that_are_not_there(texts):
    prefix = texts(en="a\n", de="b\n")
    with pytest.raises(
        UsageError, match=r'expected --target, the ending .* train\., found none; there are "train.de", '
    ):
        new(prefix, source="en")
    with pytest.raises(DataError, match=r"among them train\.fr or train\.fr\.gz; there are \"train.de\", \"train.en\""):
        new(prefix, source="en", target="fr")
    with pytest.raises(DataError, match=r"none: expected a file, or parallel files whose names begin with none\., "):
        new(prefix.parent / "none", source="en", target="de")
    with pytest.raises(DataError, match=r"expected a file, or parallel files .*, found nothing of that name"):
        like(prefix.parent / "none.tsv", PairSource("tsv", "1", "2", False, False, True, "utf-8", "\t", []))
    with pytest.raises(DataError, match=r"expected a file, or parallel files .*, found a folder"):
        new(prefix.parent, source="en", target="de")
    with pytest.raises(UsageError, match="found --source and --target to be one, 'en'"):
        new(prefix, source="en", target="en")


def test_odd_lines_stay_as_they_are(texts):
    long = " ".join(["word"] * 1000)
    odd = ["ܐܒܓ ᚠᚢᚦ 𐎀𐎁", "a\u2028b\x0bc\x85d", "👩\u200d👧 e\u0301", long]
    prefix = texts(en="".join(f"{line}\n" for line in odd), de="x\n" * len(odd))
    assert [pair.text for pair in new(prefix, source="en", target="de")[0]] == odd


LINES = st.lists(st.sampled_from(["a", "", " b ", "c\td", "é", "\u2028", "\r", "#", '"']), max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=LINES, targets=st.lists(LINES, min_size=1, max_size=3), ends=st.sampled_from(["\n", "\r\n"]))
def test_every_line_is_accounted_for(texts, source, targets, ends):
    lines = [source, *targets]
    names = ["src", *(f"ref{number}" for number in range(len(targets)))]
    prefix = texts("x", **{name: "".join(line + ends for line in own) for name, own in zip(names, lines, strict=True)})
    how = PairSource("parallel", "src", ",".join(names[1:]), None, False, True, "utf-8", None, [])
    tally = Tally(str(prefix))
    filled = [row for row in zip(*lines, strict=False) if row[0].strip() and any(map(str.strip, row[1:]))]
    unequal = len(set(map(len, lines))) > 1
    if unequal or not filled:
        with pytest.raises(DataError, match="equally many lines" if unequal else "found none"):
            like(prefix, how, tally=tally)
        return
    pairs = like(prefix, how, tally=tally)
    assert plain(pairs) == [tuple(field.strip() for field in row if field.strip()) for row in filled]
    assert sum(int(note.split()[0]) for note in tally.notes() if "out" in note or "skipped" in note) >= (
        len(source) - len(pairs)
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(st.binary(max_size=12), max_size=4).map(b"\n".join), kind=st.sampled_from(["de", "tsv", "dict"])
)
def test_damaged_files_give_pairs_or_one_sentence(write, texts, content, kind):
    prefix = texts("y", en="a\n" * (content.count(b"\n") + 1))
    path = write(f"y.{kind}", content)
    try:
        pairs, _ = new(prefix if kind == "de" else path, **({"source": "en", "target": "de"} if kind == "de" else {}))
    except ThroughtimeError:
        return
    assert pairs
    assert all(pair.text and all(pair.targets) and pair.line for pair in pairs)


# ---- tables ----


@pytest.mark.parametrize(
    ("name", "content", "options", "columns", "rows"),
    [
        ("a.tsv", TSV, {}, ("1", "2"), ROWS),
        ("a.txt", TSV, {"target": "1"}, ("2", "1"), [row[::-1] for row in ROWS]),
        (
            "fra.txt",
            "Go.\tVa !\tCC-BY 2.0\nRun!\tCours !\tCC-BY\n",
            {},
            ("1", "2"),
            [("Go.", "Va !"), ("Run!", "Cours !")],
        ),
        ("a.csv", 'source,target\n"a, b",c\n', {}, ("source", "target"), [("a, b", "c")]),
        ("a.csv", "Target;id;Source\nc;1;a\n", {}, ("Source", "Target"), [("a", "c")]),
        ("a.csv", "en,de\na,c\n", {}, ("1", "2"), [("en", "de"), ("a", "c")]),
        ("a.csv", "en,de\na,c\n", {"header": True}, ("en", "de"), [("a", "c")]),
        ("a.csv", "en,de\na,c\n", {"target": "en"}, ("de", "en"), [("c", "a")]),
        ("a.csv", "source,target\na,c\n", {"header": False}, ("1", "2"), [("source", "target"), ("a", "c")]),
        (
            "a.csv",
            "s,x,y\na,b,c\nd,,e\n",
            {"source": "s", "target": "x,y"},
            ("s", "x,y"),
            [("a", "b", "c"), ("d", "e")],
        ),
        ("a.jsonl", JSONL, {"source": "en", "target": "de"}, ("en", "de"), [ROWS[0], ROWS[2]]),
        ("a.json", '{"a": "b", "c": "d"}\n', {}, ("a", "c"), [("b", "d")]),
        ("a.parquet", table(), {"source": "en"}, ("en", "de"), [ROWS[0], ROWS[2]]),
        ("a", table(), {"source": "2", "target": "1"}, ("en", "de"), [ROWS[0], ROWS[2]]),
    ],
)
def test_tables(write, name, content, options, columns, rows):
    path = write(name, content)
    pairs, source = new(path, **options)
    assert (source.source, source.target) == columns
    assert plain(pairs) == rows
    assert all(place == (str(path), pair.line) for pair in pairs for place in pair.places)
    assert like(path, source) == pairs
    assert like(path, source, need_target=False)[0].text == pairs[0].text


def test_lists_of_right_answers_in_json_lines(write):
    rows = ['{"source": "hi", "target": ["salut", " bonjour ", ""], "tags": [1]}', '{"source": "no", "target": "non"}']
    path = write("a.jsonl", "\n".join([*rows, '{"source": "so", "target": []}']))
    pairs, source = new(path)
    assert plain(pairs) == [("hi", "salut", "bonjour"), ("no", "non")]
    assert pairs[0].places == ((str(path), 1),) * 2
    assert "1 pair has an empty target and is left out (first: line 3)" in source.notes
    assert "1 right answer beside others is empty and left out (first: line 1)" in source.notes
    assert plain(like(path, source, need_target=False))[2] == ("so",)
    with pytest.raises(DataError, match="line 1: expected a text as the source, found a list of texts"):
        new(write("b.jsonl", '{"source": ["hi"], "target": "salut"}'))
    with pytest.raises(DataError, match="expected a text, a list of texts, a number, true or false, found an array"):
        new(write("c.jsonl", '{"source": "hi", "target": [null]}'))


def test_columns_that_are_not_plain_to_see(write):
    path = write("a.jsonl", JSONL)
    with pytest.raises(
        UsageError, match='which column is the source and which the target, found "id", "en", "de": say'
    ):
        new(path)
    with pytest.raises(DataError, match='expected a column "fr", found the columns "id", "en", "de"'):
        new(path, source="en", target="fr")
    with pytest.raises(UsageError, match="the source and the target cannot be the same column"):
        new(write("a.tsv", TSV), source="2", target="2")
    for content, found in (("", "an empty file"), ("\n\n", "only blank lines")):
        with pytest.raises(DataError, match=f"found {found}"):
            new(write("a.tsv", content))


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.txt", TSV, "tsv"),
        ("a.csv", TSV, "tsv"),
        ("a.csv", "a,b\n", "csv"),
        ("a.tsv.gz", gzip.compress(TSV.encode(), mtime=0), "tsv"),
        ("a.txt", JSONL, "jsonl"),
        ("a", table(), "parquet"),
        ("a.dict", "a b\n", "dictionary"),
        ("cmudict-0.7b", WORDS, "dictionary"),
    ],
)
def test_formats_are_told_by_name_and_content(write, name, content, format):
    assert tell_format(write(name, content), "utf-8") == format


def test_what_is_no_file_of_pairs(write, tmp_path):
    for content in (ENGLISH, "", "I am he\n"):
        with pytest.raises(DataError, match=r"expected a table of pairs .* found none of them"):
            tell_format(write("a.txt", content), "utf-8")
    with pytest.raises(DataError, match="found an archive"):
        tell_format(write("a.tar.gz", b""), "utf-8")
    assert tell_format(tmp_path, "utf-8") == "parallel"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_says_its_format(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="expected --format csv, tsv, jsonl or dictionary for a pipe"):
        new(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(TSV))
    writer.start()
    assert plain(new(pipe, format="tsv")[0]) == ROWS
    writer.join()


def test_another_kind_of_file_is_told_anew(texts, write):
    prefix = texts(en=ENGLISH, de=GERMAN)
    _, parallel = new(prefix, source="en", target="de")
    _, rows = new(write("a.tsv", TSV))
    path = write("b.jsonl", JSONL)
    assert plain(like(path, parallel)) == [ROWS[0], ROWS[2]]
    assert plain(like(path, parallel, format="jsonl")) == [ROWS[0], ROWS[2]]
    with pytest.raises(UsageError, match="one of the formats auto, parallel, csv"):
        like(path, parallel, format="xml")
    with pytest.raises(DataError, match=r"among them train\.1 or"):  # columns are no endings
        like(prefix, rows)
    assert like(write("c.tsv", "é\tx\n".encode("latin-1")), rows, encoding="latin-1")[0].text == "é"


# ---- several answers to one source ----


def test_a_pronunciation_dictionary(write):
    path = write("a.dict", WORDS)
    pairs, source = new(path)
    assert plain(pairs) == [
        ("tomato", "T AH0 M EY1 T OW2", "T AH0 M AA1 T OW2"),
        ("#HASH-MARK", "HH AE1 SH"),
        ("read", "R EH1 D", "R IY1 D", "R IY2 D"),
    ]
    assert (pairs[0].line, [line for _, line in pairs[0].places]) == (2, [2, 4])
    assert source.notes == [
        "read as a pronunciation dictionary",
        "1 comment line skipped (first: line 1)",
        "1 comment behind a pronunciation is not read (first: line 4)",
        "1 blank line skipped (first: line 6)",
    ]
    pairs, source = new(path, stress=False)
    assert plain(pairs)[2] == ("read", "R EH D", "R IY D")
    assert source.notes[-1] == "1 pair stands again and is read once (first: line 8)"
    assert like(path, source) == pairs
    assert [len(pair.targets) for pair in new(path, group=False)[0]] == [1] * 6
    assert [pair.text for pair in like(path, source, need_target=False)].count("read") == 3


def test_blanks_before_a_dictionarys_lines_say_nothing(write):
    text = "  # a comment\n cat K AE1 T\n\t#HASH-MARK HH AE1 SH\n ;;; another\n"
    pairs, source = new(write("a.txt", text))
    assert plain(pairs) == [("cat", "K AE1 T"), ("#HASH-MARK", "HH AE1 SH")]
    assert source.notes == ["read as a pronunciation dictionary", "2 comment lines skipped (first: line 1)"]


def test_pairs_of_a_table_are_grouped_when_asked(write):
    path = write("a.tsv", "a\tx\nb\ty\na\tz\na\tx\n")
    assert plain(new(path)[0]) == [("a", "x"), ("b", "y"), ("a", "z"), ("a", "x")]
    assert plain(new(path, group=True)[0]) == [("a", "x", "z"), ("b", "y")]


# ---- parts ----


@pytest.fixture
def read(tmp_path):
    def read(path, *, large=False, seed=1, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(corpus, "IN_MEMORY", 100 if large else 1 << 24)
            files = PairFiles(checked(PairConfig, options))
            return read_parts(path, files, pair_meaning("translate"), seed, tmp_path / "cache")

    return read


def test_a_source_stays_on_one_side(read, write):
    path = write("a.tsv", "".join(f"source {row % 40}\ttarget {row}\n" for row in range(200)))
    parts = read(path, valid="0.2", test="0.1")
    sides = [{pair.text for pair in part} for part in (parts.train, parts.valid, parts.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 40
    assert (len(parts.valid), len(parts.test)) == (35, 20)  # whole sources of five: a fifth of 180 is 36
    assert parts.warnings == []
    assert [pair.text for pair in read(path, seed=2).valid] != [pair.text for pair in read(path).valid]


def test_one_source_cannot_be_parted(read, write):
    path = write("a.tsv", "a\tx\na\ty\n")
    with pytest.raises(DataError) as error:
        read(path, valid="0.2")
    told = (
        "expected two different rows or more to hold some out, found 1 (--valid says how many, or names another file)"
    )
    assert str(error.value) == f"{path}: {told}"
    assert len(read(path, valid="0").train) == 2


def test_what_looks_wrong_is_said_in_the_words_of_pairs(read, texts):
    prefix = texts(en="a\nb\na\na\n", de="A\nB\nA\nC\n")
    test = texts("test", en="b\nd\n\n", de="B\nD\nE\n")
    parts = read(prefix, source="en", target="de", valid="0", test=str(test))
    assert parts.warnings == [
        f"1 pair repeats an earlier source and target: {prefix}.en, line 3 (as line 1)",
        f"1 pair of the test data has a source of the training data: {test}.en, line 1 (as train.en, line 2)",
    ]
    assert parts.facts["source"]["notes"][-1] == f"{test}: 1 pair has an empty source and is left out (first: line 3)"


@pytest.mark.parametrize("kind", ["parallel", "dictionary"])
def test_on_disk_as_in_memory(read, texts, write, kind):
    if kind == "parallel":
        prefix = texts(en="".join(f"a {row}\n" for row in range(50)), de="".join(f"b {row}\n" for row in range(50)))
        options = {"source": "en", "target": "de", "test": str(texts("test", en="x\u2028\n", de="y\n"))}
    else:
        prefix, options = write("a.dict", "".join(f"w{row // 2}({row % 2}) A B{row}\n" for row in range(80))), {}
    small, large, again = read(prefix, **options), read(prefix, large=True, **options), read(prefix, **options)
    assert (small.folder, large.kept, again.kept) == (None, False, True)
    for found in (large, again):
        assert found.facts == small.facts
        assert isinstance(found.train, Corpus)
        for name in ("train", "valid", "test"):
            assert list(getattr(found, name)) == list(getattr(small, name))
    if kind == "parallel":  # a change of either file is seen
        texts(de="".join(f"c {row}\n" for row in range(50)))
        assert read(prefix, large=True, **options).train[0].targets[0].startswith("c")
        assert not read(prefix, seed=1, **options | {"encoding": "latin-1"}).kept


# ---- vocabularies of both sides ----


def test_phones_are_words_between_blanks(write):
    pairs, _ = new(write("a.tsv", "ǃnaː\tǃ n aː ˥˩\nt͡ʃa\tt͡ʃ a ˥\n"))
    config = LanguageConfig(tokens="word", split="blanks", min_count=1)
    phones = LanguageVocabulary.learn((target for pair in pairs for target in pair.targets), config)
    assert set(phones.symbols[4:]) == {"\n", "ǃ", "n", "aː", "˥˩", "t͡ʃ", "a", "˥"}
    for pair in pairs:
        ids = phones.encode(pair.targets[0])
        assert len(ids) == len(pair.targets[0].split())
        assert phones.decode(ids) == pair.targets[0]
    assert phones.decode(phones.encode("ǃ x  a")) == "ǃ <unk> a"
    letters = LanguageVocabulary.learn((pair.text for pair in pairs), LanguageConfig(tokens="char"))
    assert [letters.decode(letters.encode(pair.text)) for pair in pairs] == [pair.text for pair in pairs]


@pytest.mark.parametrize("tokens", ["char", "word", "bpe"])
def test_one_vocabulary_may_serve_both_sides(texts, tokens):
    pairs, _ = new(texts(en=ENGLISH, de=GERMAN), source="en", target="de")
    both = [text for pair in pairs for text in (pair.text, *pair.targets)]
    joint = LanguageVocabulary.learn(both, LanguageConfig(tokens=tokens, min_count=1))
    assert [joint.decode(joint.encode(text)) for text in both] == both


# ---- public data sets: each count is that of the set's own page ----


@pytest.mark.parametrize(
    ("part", "rows", "words"),
    [
        ("train", 29000, (345020, 322383)),
        ("val", 1014, (12167, 11568)),
        ("test_2016_flickr", 1000, (11877, 10905)),
        ("test_2017_flickr", 1000, (10526, 9600)),
        ("test_2017_mscoco", 461, (4843, 4605)),
    ],
)
def test_multi30k(shared_data, part, rows, words):
    pairs, source = new(shared_data / "multi30k_en_de" / part, source="en", target="de")
    assert (len(pairs), source.format) == (rows, "parallel")
    found = [(pair.text.split(), pair.targets[0].split()) for pair in pairs]
    assert tuple(sum(map(len, side)) for side in zip(*found, strict=True)) == words


@pytest.mark.parametrize(("part", "rows", "words"), [("train.tsv.gz", 44204, 25000), ("dev.tsv", 4358, 2500)])
def test_dakshina(shared_data, part, rows, words):
    pairs, _ = new(shared_data / "dakshina_hi" / f"hi.translit.sampled.{part}")
    assert (len(pairs), len({pair.targets for pair in pairs})) == (rows, words)
    assert len(pairs) != 44204 or sum(len(pair.text) for pair in pairs) == 318243


def test_cmudict(shared_data):
    pairs, source = new(shared_data / "cmudict" / "cmudict.dict.gz", group=False)
    assert (len(pairs), len({pair.text for pair in pairs})) == (135166, 126052)
    phones = [phone for pair in pairs for phone in pair.targets[0].split()]
    assert (len(phones), len({*phones}), len({phone.rstrip("012") for phone in phones})) == (863018, 69, 39)
    assert len({letter for pair in pairs for letter in pair.text}) == 29
    assert "22 comments behind a pronunciation are not read (first: line 29)" in source.notes


@pytest.mark.parametrize(("part", "rows", "words"), [("dev", 754, 14010), ("test", 747, 14096)])
def test_jfleg(shared_data, part, rows, words):
    pairs, _ = new(shared_data / "jfleg" / part, source="src", target="ref")
    assert (len(pairs), {len(pair.targets) for pair in pairs}) == (rows, {4})
    assert sum(len(pair.text.split()) for pair in pairs) == words
    listed, _ = new(shared_data / "jfleg" / part, source="src", target="ref0,ref1,ref2,ref3")
    assert listed == pairs


def test_tatoeba(shared_data):
    pairs, _ = new(shared_data / "tatoeba_eng_fra" / "fra.txt.gz")
    assert (len(pairs), len({pair.text for pair in pairs})) == (142787, 98659)
    assert plain(pairs)[0] == ("Go.", "Va !")
    assert sum(len(pair.text.split()) for pair in pairs) == 880139
    assert sum(len(pair.targets[0].split()) for pair in pairs) == 958541


def test_sigmorphon(shared_data):
    letters = phones = 0
    for path in sorted((shared_data / "sigmorphon2020_g2p").glob("*_dev.tsv")):
        pairs, _ = new(path)
        assert len(pairs) == 450
        letters += sum(len(pair.text) for pair in pairs)
        phones += sum(len(pair.targets[0].split()) for pair in pairs)
    assert (letters, phones) == (46519, 47631)
