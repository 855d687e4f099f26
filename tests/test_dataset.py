"""input.txt, and how a file is read: as the reference reads it."""

import re

import pytest
from conftest import ROOT

from microgpt import BLANKS, load_docs


@pytest.fixture
def load(tmp_path):
    def load_bytes(content):
        path = tmp_path / "docs.txt"
        path.write_bytes(content)
        return load_docs(str(path))

    return load_bytes


@pytest.mark.parametrize(
    "content, docs",
    [
        ("anna\nbob\n", ["anna", "bob"]),
        ("anna\nbob", ["anna", "bob"]),
        ("\n\n anna \n\t\n bob\t\n\n", ["anna", "bob"]),
        ("anna\r\nbob\r\n", ["anna", "bob"]),
        ("anna\rbob\n", ["anna\rbob"]),
        ("anna\x0bbob\x0ccleo\n", ["anna\x0bbob\x0ccleo"]),
        ("anna\x1cbob\x85cleo\u2028dan\u2029eve\n", ["anna\x1cbob\x85cleo\u2028dan\u2029eve"]),
        ("\ufeffanna\nbob", ["anna", "bob"]),
        ("\ufeff\nanna", ["anna"]),
        ("\ufeff\ufeffanna\nbob\ufeff", ["anna", "bob"]),
        ("\x85anna\x85\n\x1cbob\x1f\n", ["\x85anna\x85", "\x1cbob\x1f"]),
        ("\u200banna\u200b\n\u180e\n", ["\u200banna\u200b", "\u180e"]),
        ("\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000anna\u3000", ["anna"]),
        ("a b  c\n", ["a b  c"]),
        ("\x00\n", ["\x00"]),
        ("zoë\n美咲\n\U0001f600\n", ["zoë", "美咲", "\U0001f600"]),
        ("x" * 1000, ["x" * 1000]),
    ],
)
def test_lines(load, content, docs):
    """str.split() or text mode, which end lines at \\r, \\f, U+2028 and more; str.strip(), which spares the byte order
    mark and takes off U+0085 and U+001C; a reader that cuts documents to the block size. (The reference's own
    reading of
    the worst of these is golden/messy.stdout.txt.)"""
    assert load(content.encode("utf-8")) == docs


def test_blanks_are_ecmascripts():
    """A character forgotten or added: the language defines them as TAB, VT, FF, SP, NBSP, ZWNBSP, the category Zs
    and the line terminators LF, CR, LS, PS."""
    zs = [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]
    assert sorted(BLANKS) == sorted(map(chr, [9, 11, 12, 0xFEFF, 10, 13, 0x2028, 0x2029, *zs]))


@pytest.mark.parametrize(
    "content, line",
    [
        (b"anna\nb\xffb\n", 2),
        (b"\xff", 1),
        (b"\n\xff", 2),
        (b"anna\r\nbob\n\n\xc3(\n", 4),
        (b"\xef\xbb\xbfanna\n\xed\xa0\x80", 2),
        (b"anna\xe2\x82", 1),
    ],
)
def test_not_utf8(load, content, line):
    """A UnicodeDecodeError that gives an offset where a person needs a line; a surrogate or a cut sequence let
    through."""
    with pytest.raises(ValueError, match=f"not UTF-8 in line {line}[^0-9]"):
        load(content)


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t\r\n", b"\xef\xbb\xbf", b"\xe3\x80\x80\n\n"])
def test_no_documents(load, content):
    """An empty vocabulary, and a division by zero at the first step."""
    with pytest.raises(ValueError, match="no documents"):
        load(content)


def test_input_txt():
    """A name twice, out of order, with a stray character, or too short or long for what the README says of them."""
    content = (ROOT / "input.txt").read_bytes()
    names = content.decode("ascii").split("\n")
    assert names.pop() == ""
    assert len(names) >= 3000
    assert all(re.fullmatch("[a-z]{2,15}", name) for name in names)
    assert names == sorted(set(names))
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
    assert load_docs(str(ROOT / "input.txt")) == names
