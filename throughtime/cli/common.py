"""What the commands that use a trained model share."""

from __future__ import annotations

import argparse
import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from throughtime.config import checked
from throughtime.data.columns import Source, open_examples
from throughtime.data.files import check_encoding, cut_lines, without_return
from throughtime.data.music_files import MusicSource, as_texts, open_pieces
from throughtime.data.noise import noisy_pairs
from throughtime.data.pair_formats import PairSource
from throughtime.data.pairs import PairConfig, open_new_pairs, read_pairs
from throughtime.data.passage_files import PassageSource, open_passages
from throughtime.data.readers.rows import Tally
from throughtime.data.readers.sentences import MARK
from throughtime.data.right import read_right
from throughtime.data.running import RunningText
from throughtime.data.tagged import SentenceSource, read_tagged
from throughtime.environment import cores
from throughtime.errors import DataError, ModelError, UsageError
from throughtime.model import ComposerModel, LanguageModel, Model, choose_device, load

__all__ = [
    "Labelled",
    "add_model",
    "check_out",
    "decoded_lines",
    "makes_music",
    "music_of",
    "open_generator",
    "open_labelled",
    "open_language_model",
    "open_model",
    "positive",
    "print_json",
    "refuse_generator",
    "source_of",
]


_BLOCK = 1 << 16


def add_model(parser: argparse.ArgumentParser) -> None:
    """DIR, and where to compute."""
    parser.add_argument("model", type=Path, metavar="DIR", help="a model's folder")
    parser.add_argument("--quiet", action="store_true", help="show nothing but results and errors")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to compute with (default: the cores)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to compute")


def positive(word: str) -> int:
    """A whole number from 1, for argparse."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {word}")
    return int(word)


def open_model(arguments: argparse.Namespace) -> Model:
    """The model of DIR on the device asked for."""
    device = choose_device(arguments.device)
    if arguments.threads is not None:
        torch.set_num_threads(min(arguments.threads, cores()))
    return load(arguments.model, device=device)


def refuse_generator(model: Model) -> None:
    """Raise UsageError for a model that answers nothing about a text but what comes next."""
    if isinstance(model, LanguageModel | ComposerModel):
        kind = "one of music" if isinstance(model, ComposerModel) else "a language model"
        uses = "generate, score" if isinstance(model, ComposerModel) else "generate, complete, score"
        raise UsageError(f"expected a model that answers for a text, found {kind}: use throughtime {uses} or evaluate")


def makes_music(model: Model) -> bool:
    """Whether a model was learnt from music."""
    return "quarters" in (model.config.data.get("source") or {})


def music_of(model: Model) -> MusicSource:
    """How the music was read that a model was learnt from."""
    source = source_of(model)
    assert isinstance(source, MusicSource)
    return source


def check_out(out: Path | None, overwrite: bool) -> None:
    """Make sure that a file can be written.

    Raises:
        UsageError: it is a folder, in no folder, or there already and not to be replaced.
    """
    if out is None:
        return
    if out.is_dir():
        raise UsageError(f"--out {out}: expected a file, found a folder")
    if out.exists() and not overwrite:
        raise UsageError(f"--out {out}: already exists: --overwrite replaces it")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: expected a folder {out.parent}, found none")


def open_language_model(arguments: argparse.Namespace) -> LanguageModel:
    """The model of DIR, which must tell what comes next in a text.

    Raises:
        UsageError: for any other model.
    """
    model = open_generator(arguments)
    if makes_music(model) or not isinstance(model, LanguageModel):
        raise UsageError(f"{arguments.model}: expected a language model of text, found one of music")
    return model


def open_generator(arguments: argparse.Namespace) -> LanguageModel | ComposerModel:
    """The model of DIR, which must tell what comes next, in text or music.

    Raises:
        UsageError: for any other model.
    """
    model = open_model(arguments)
    if not isinstance(model, LanguageModel | ComposerModel):
        raise UsageError(
            f"{arguments.model}: expected a language model (throughtime train generate), "
            f"found one of {model.config.task}"
        )
    return model


OWN_SOURCES = {"label": SentenceSource, "generate": PassageSource, "translate": PairSource}


def source_of(model: Model) -> Source | SentenceSource | PassageSource | MusicSource | PairSource:
    """How the model's training data was read."""
    kind: Any = OWN_SOURCES.get(model.config.task, Source)
    if makes_music(model):
        kind = MusicSource
    elif model.config.noise is not None:
        kind = Source
    try:
        return kind(**model.config.data["source"])  # type: ignore[no-any-return]
    except (KeyError, TypeError) as error:
        raise ModelError(
            "expected a model that knows how its training data was read, found one that does not"
        ) from error


@dataclass(frozen=True)
class Labelled:
    """A file's examples, once, and what to tell of it, complete when they have been read."""

    examples: Iterable[Any]
    notes: Callable[[], list[str]]

    def whole(self) -> Any:
        """All of them; running text as it is."""
        return self.examples if isinstance(self.examples, RunningText) else list(self.examples)


@contextmanager
def open_labelled(arguments: argparse.Namespace, model: Model, *, need_label: bool = True) -> Iterator[Labelled]:
    """Open FILE as the model's training data was read, or as --format and --encoding say."""
    asked = {"encoding": getattr(arguments, "encoding", None), "format": getattr(arguments, "format", None)}
    source, part = source_of(model), getattr(arguments, "part", None)
    for name in ("source", "target"):
        if getattr(arguments, name, None) is not None and model.config.task != "translate":
            raise UsageError(
                f"--{name}: expected a model that answers with texts (throughtime train translate), "
                f"found one of {model.config.task}"
            )
    if isinstance(source, MusicSource):
        for name, value in asked.items():
            if value is not None:
                raise UsageError(f"--{name}: expected none for music, which has no other")
        parts, told = open_pieces(arguments.file, source, part)
        pieces = [piece for own in parts.values() for piece in own]
        yield Labelled(pieces if isinstance(model, ComposerModel) else as_texts(pieces), lambda: told)
        return
    if part is not None:
        raise UsageError("--part: expected a model of music, whose files may bring their parts, found another")
    if model.config.task == "translate":
        with _open_pairs(arguments, model, asked, need_label) as labelled:
            yield labelled
        return
    if isinstance(source, PassageSource):
        if asked["format"] is not None:
            raise UsageError("--format: expected none for text, which has no other")
        with open_passages(arguments.file, source, asked["encoding"]) as (examples, notes):
            yield Labelled(examples, notes)
        return
    if isinstance(source, SentenceSource):
        tally = Tally(str(arguments.file))
        with closing(read_tagged(arguments.file, source, need_label=need_label, tally=tally, **asked)) as sentences:
            yield Labelled(sentences, tally.notes)
        return
    assert isinstance(source, Source)
    with open_examples(arguments.file, source, need_label=need_label, **asked) as opened:
        yield Labelled((example for _, example in opened.rows), opened.tally.notes)


@contextmanager
def _open_pairs(
    arguments: argparse.Namespace, model: Model, asked: dict[str, str | None], need_label: bool
) -> Iterator[Labelled]:
    """Pairs as the training data's were read, or as --source and --target say; of right texts with errors made."""
    source, path = source_of(model), Path(arguments.file)
    assert isinstance(source, Source | PairSource)
    said = {name: getattr(arguments, name, None) for name in ("source", "target")}
    if any(said.values()) or (isinstance(source, Source) and not path.exists()):
        known = {name: getattr(source, name, None) for name in said} | {"encoding": source.encoding}
        given = {name: value for name, value in (said | asked).items() if value is not None}
        with open_new_pairs(path, checked(PairConfig, known | given, lambda name: f"--{name}")) as opened:
            yield Labelled(opened.examples, lambda: opened.source().notes)
        return
    tally = Tally(str(path))
    encoding, format = asked["encoding"], asked["format"]
    if isinstance(source, PairSource):
        with closing(
            read_pairs(path, source, need_target=need_label, encoding=encoding, format=format, tally=tally)
        ) as pairs:
            yield Labelled(pairs, tally.notes)
        return
    assert model.config.noise is not None
    with closing(read_right(path, source, encoding=encoding, format=format, tally=tally)) as right:
        yield Labelled(noisy_pairs(right, model.config.noise, model.config.run.seed), tally.notes)


def decoded_lines(source: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines of standard input as they come, without their ends.

    A byte order mark before the first is left off.

    Raises:
        DataError: for a byte that is not of the encoding, with its line; the lines before it come first.
        UsageError: the encoding is unknown.
    """
    check_encoding(encoding)
    for number, line in enumerate(cut_lines(_as_it_comes(source, encoding)), 1):
        yield without_return(line.removeprefix(MARK if number == 1 else ""))


def _as_it_comes(source: BinaryIO, encoding: str) -> Iterator[str]:
    """Text as soon as it is there: whoever writes a line may wait for its answer before writing the next."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    while True:
        data, before = source.read1(_BLOCK), decoder.getstate()  # type: ignore[attr-defined]
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            right = error.start - (len(error.object) - len(data))  # it may have held back bytes of the block before
            decoder.setstate(before)
            text = decoder.decode(data[: max(0, right)])
            yield text
            raise DataError(
                f"expected {encoding}, found byte 0x{error.object[error.start]:02X}: --encoding says otherwise",
                path="standard input",
                line=line + text.count("\n"),
            ) from error
        line += text.count("\n")
        yield text
        if not data:
            return


def print_json(content: dict[str, Any]) -> None:
    """The one JSON object of ``--json``."""
    print(json.dumps(content, ensure_ascii=False))
