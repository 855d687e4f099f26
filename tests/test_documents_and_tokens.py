"""Documents and tokens are the reference's: what a line, a blank and a character is, and what is refused."""

import re

import pytest
from conftest import ROOT, given, st

from microgpt import BLANKS, Tokenizer, load_docs


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
        ("anna\nbob\n", ["anna", "bob"]), ("anna\nbob", ["anna", "bob"]), ("a b  c\n", ["a b  c"]),
        ("\x00\n", ["\x00"]), ("\n\n anna \n\t\n bob\t\n\n", ["anna", "bob"]), ("a\rb\n", ["a\rb"]),
        ("anna\r\nbob\r\n", ["anna", "bob"]),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\n", ["a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g"]),
        ("\ufeffanna\nbob", ["anna", "bob"]), ("\ufeff\nanna", ["anna"]), ("\ufeff\ufeffanna\ufeff", ["anna"]),
        ("\x85anna\x85\n\x1cbob\x1f\n", ["\x85anna\x85", "\x1cbob\x1f"]),
        ("\u200banna\u200b\n\u180e\n", ["\u200banna\u200b", "\u180e"]),
        ("\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000anna\u3000", ["anna"]),
        ("zoë\n美咲\n\U0001f600\n", ["zoë", "美咲", "\U0001f600"]), ("x" * 1000, ["x" * 1000]),
    ],
)  # fmt: skip
def test_a_line_is_what_ends_with_newline(load, content, docs):
    """Fails for lines that end at \\r, \\f or U+2028, or a strip() that keeps a byte order mark or takes U+0085."""
    assert load(content.encode("utf-8")) == docs

def test_blanks_are_ecmascripts():
    """Fails for a character forgotten or added: the standard names TAB, VT, FF, SP, NBSP, ZWNBSP, the category Zs and
    the line terminators LF, CR, LS, PS."""
    zs = [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]
    assert sorted(BLANKS) == sorted(map(chr, [9, 11, 12, 0xFEFF, 10, 13, 0x2028, 0x2029, *zs]))

@pytest.mark.parametrize(
    "error, contents",
    [
        (UnicodeDecodeError, [b"\xff", b"anna\nb\xffb\n", b"anna\n\xed\xa0\x80", b"anna\xe2\x82"]),
        (ValueError, [b"", b"\n", b" \n\t\r\n", b"\xef\xbb\xbf", b"\xe3\x80\x80\n\n"]),
    ],
)
def test_what_is_not_utf8_or_has_no_documents_is_refused(load, error, contents):
    """Fails for a replaced character, a surrogate or a cut sequence let through, and for an empty vocabulary."""
    for content in contents:
        with pytest.raises(ValueError) as caught:
            load(content)
        assert caught.type is error
    with pytest.raises(FileNotFoundError):  # which a caller can catch
        load_docs("none.txt")

@given(st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=9))
def test_tokens_are_numbered_in_javascripts_order_and_come_back(docs):
    """Fails for a text that is not decoded to itself, or code point order: UTF-16 has an emoji before U+FF41."""
    tokenizer = Tokenizer(docs)
    assert tokenizer.uchars == sorted(set("".join(docs)), key=lambda ch: ch.encode("utf-16-be", "surrogatepass"))
    assert (tokenizer.bos, tokenizer.vocab_size) == (len(tokenizer.uchars), len(tokenizer.uchars) + 1)
    for doc in docs:
        tokens = tokenizer.encode(doc)
        assert (tokens[0], tokens[-1], tokenizer.decode(tokens)) == (tokenizer.bos, tokenizer.bos, doc)
        assert all(0 <= token < tokenizer.bos for token in tokens[1:-1])

def test_tokens_of_a_small_vocabulary():
    """Fails for letters not numbered from 0 in order, bos not after them, and another letter taken."""
    tokenizer = Tokenizer(["cab", "bad\uff41\U0001f600"])
    assert "".join(tokenizer.uchars) == "abcd\U0001f600\uff41" and tokenizer.encode("bad") == [6, 1, 0, 3, 6]
    with pytest.raises(KeyError):
        tokenizer.encode("bed")

def test_input_txt_is_what_the_readme_says():
    """Fails for a name twice, out of order, with a stray character, too short or too long."""
    names = (ROOT / "input.txt").read_bytes().decode("ascii").split("\n")
    assert names.pop() == "" and len(names) == 12_855
    assert all(re.fullmatch("[a-z]{2,15}", name) for name in names)
    assert names == sorted(set(names)) == load_docs(str(ROOT / "input.txt"))
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
