"""Any text is encoded to tokens and comes back."""

import pytest

pytest.importorskip("hypothesis", reason="pip install hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from microgpt import Tokenizer


@given(st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=9))
def test_any_text_comes_back(docs):
    """Tokens lie between two bos, below bos, in code point order, and decode to the text."""
    tokenizer = Tokenizer(docs)
    assert tokenizer.uchars == sorted(set("".join(docs)), key=ord)
    assert tokenizer.vocab_size == len(tokenizer.uchars) + 1
    for doc in docs:
        first, *tokens, last = tokenizer.encode(doc)
        assert first == last == tokenizer.bos == len(tokenizer.uchars)
        assert [tokenizer.uchars[token] for token in tokens] == list(doc)
        assert tokenizer.decode([first, *tokens, last]) == doc
