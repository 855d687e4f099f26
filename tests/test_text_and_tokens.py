"""Documents are lines as Python reads them, and tokens number their characters in order."""

import re

import pytest
from helpers import INPUT
from hypothesis import given, settings
from hypothesis import strategies as st

from microgpt import Tokenizer, load_docs


@pytest.fixture
def load(tmp_path):
    """load_docs() of a file with these bytes."""

    def load_bytes(content):
        path = tmp_path / "docs.txt"
        path.write_bytes(content)
        return load_docs(path)

    return load_bytes


# Documents

FILES = {
    "no newline at the end": ("anna\nbob", ["anna", "bob"]),
    "blanks inside": ("a b  c\n", ["a b  c"]),
    "blank lines": ("\n\n anna \n\t\n bob\t\n\n", ["anna", "bob"]),
    "CRLF": ("anna\r\nbob\r\n", ["anna", "bob"]),
    "a byte order mark": ("\ufeffanna\nbob", ["anna", "bob"]),
    "NUL": ("\x00\n", ["\x00"]),
    "separators inside": ("a\x0bb\x0cc\u2028d\u2029e\n", ["a\x0bb\x0cc\u2028d\u2029e"]),
    "blanks of Unicode": ("\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000a\u3000", ["a"]),
    "invisible, but not blank": ("\u200ba\u200b\n\u2060\n", ["\u200ba\u200b", "\u2060"]),
    "scripts": ("zoë\n美咲\n\U0001f600\n", ["zoë", "美咲", "\U0001f600"]),
    "a letter and its accent, not composed": ("e\u0301\n\xe9\n", ["e\u0301", "\xe9"]),
    "nothing": ("", []),
    "nothing but blanks": (" \n\t\r\n\u3000\n\n", []),
    # In the rest, microgpt.js reads other documents, as tests/README.md says.
    "a lone CR ends a line": ("a\rb\n", ["a", "b"]),
    "U+0085 at an edge is a blank": ("\x85anna\x85\n", ["anna"]),
    "U+001C and U+001F at an edge are blanks": ("\x1cbob\x1f\n", ["bob"]),
    "U+FEFF at the end is not a blank": ("mia\ufeff\n", ["mia\ufeff"]),
    "U+FEFF in a later line is not a blank": ("a\n\ufeffmia\n", ["a", "\ufeffmia"]),
}


@pytest.mark.parametrize("name", FILES)
def test_documents_are_lines_that_are_not_blank(load, name):
    """Lines without blanks at their edges, no blank ones, and every character as it stands."""
    content, docs = FILES[name]
    assert load(content.encode("utf-8")) == docs


@pytest.mark.parametrize(
    "content", [b"\xff", b"anna\nb\xffb\n", b"anna\n\xed\xa0\x80", b"anna\xe2\x82", b"\xff\xfea\0"]
)
def test_what_is_not_utf8_is_refused(load, content):
    """A stray byte, a surrogate, a cut sequence and UTF-16 are UnicodeDecodeErrors."""
    with pytest.raises(UnicodeDecodeError):
        load(content)


# Tokens


def test_tokens_of_a_small_vocabulary():
    """Characters are numbered from 0 in order, and bos comes after them."""
    tokenizer = Tokenizer(["cab", "bad"])
    assert tokenizer.uchars == ["a", "b", "c", "d"]
    assert (tokenizer.bos, tokenizer.vocab_size) == (4, 5)
    assert tokenizer.encode("bad") == [4, 1, 0, 3, 4]
    assert tokenizer.decode([4, 1, 0, 3, 4]) == tokenizer.decode([1, 0, 3]) == "bad"


@settings(max_examples=25)
@given(st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=9))
def test_any_text_comes_back(docs):
    """encode() puts each document between two bos, and decode() gives it back."""
    tokenizer = Tokenizer(docs)
    for doc in docs:
        first, *tokens, last = tokenizer.encode(doc)
        assert first == last == tokenizer.bos
        assert len(tokens) == len(doc)
        assert tokenizer.decode([first, *tokens, last]) == doc


def test_characters_are_in_the_order_of_code_points():
    """As in the original. JavaScript's order is that of UTF-16, which has emoji before U+FF41."""
    assert Tokenizer(["\uff41", "\U0001f600", "a"]).uchars == ["a", "\uff41", "\U0001f600"]


def test_an_unknown_character_is_a_key_error():
    """encode() has no token for it, and does not leave it out."""
    with pytest.raises(KeyError, match="e"):
        Tokenizer(["cab", "bad"]).encode("bed")


# input.txt


def test_input_txt_is_sorted_names():
    """12,855 different names of 2 to 15 letters from a to z, one a line."""
    names = INPUT.read_bytes().decode("ascii").split("\n")
    assert names.pop() == ""
    assert len(names) == 12_855
    assert [name for name in names if not re.fullmatch("[a-z]{2,15}", name)] == []
    assert names == sorted(set(names))
    assert names == load_docs(INPUT)
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
