"""run() is determined by its arguments, ends when numbers overflow, and changes nothing else."""

import dataclasses
import gc
import io
import signal
import sys

import pytest
from helpers import INPUT, drawn_weights

import microgpt
from microgpt import Config, Tokenizer, sample, train

pytestmark = pytest.mark.whole

DOCS = ["emma", "anna", "isabella", "bob", "christopherus maximus"]


@pytest.mark.parametrize(
    "docs, prompt, named", [([], "", "documents"), (["anna"], "az", "'z'")], ids=["docs", "prompt"]
)
def test_unusable_documents_or_prompts_are_refused_before_the_run_starts(
    docs, prompt, named, capsys
):
    """No documents, or a prompt with a character that no document has: ValueError, no output."""
    with pytest.raises(ValueError, match=named):
        microgpt.run(docs, Config(prompt=prompt))
    assert capsys.readouterr().out == ""


def test_documents_stay_as_they_were():
    """The caller's list keeps its order."""
    docs = list(DOCS)
    microgpt.run(docs, Config(num_steps=2, num_samples=1))
    assert docs == DOCS


def test_a_run_is_determined_by_its_seed(capsys):
    """The same seed gives the same run, and another seed another. Here they are 0 and 2**70."""
    outputs = []
    for seed in (0, 0, 2**70, 2**70):
        microgpt.run(DOCS, Config(num_steps=2, num_samples=3, seed=seed))
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert outputs[2] == outputs[3]
    assert outputs[0] != outputs[2]


def test_as_many_samples_are_drawn_as_are_asked_for(capsys):
    """Fewer or more than the default's 20."""
    for num_samples in (0, 21):
        microgpt.run(DOCS, Config(num_steps=0, num_samples=num_samples))
        assert capsys.readouterr().out.count("\nsample ") == num_samples


def test_the_blanks_of_a_prompt_are_part_of_it(capsys):
    """A run's samples begin with the prompt as it was given, with the blanks at its ends."""
    config = Config(num_steps=1, num_samples=2, prompt=" a ")
    microgpt.run(["a a", "b b"], config)
    samples = [line for line in capsys.readouterr().out.splitlines() if line.startswith("sample")]
    assert [line[:14] for line in samples] == ["sample  1:  a ", "sample  2:  a "]


def test_documents_are_shuffled_and_none_is_left_out(monkeypatch):
    """All are read before one is read again, also after the default run's 1000 steps."""
    docs = [f"{number:04}" for number in range(1003)]
    read, document_loss = [], microgpt.document_loss

    def recording_document_loss(tokens, *arguments):
        read.append(Tokenizer(docs).decode(tokens))
        return document_loss(tokens, *arguments)

    monkeypatch.setattr(microgpt, "document_loss", recording_document_loss)
    tiny = Config(num_steps=1005, num_samples=0, n_embd=1, n_head=1, n_layer=0, block_size=1)
    microgpt.run(docs, tiny)
    assert sorted(read[:1003]) == docs
    assert read[:1003] != docs
    assert read[1003:] == read[:2]


def test_the_process_is_left_alone(monkeypatch):
    """Signals, the collector and the encoding of stdout belong to the caller."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")

    def refuse(*arguments):
        raise AssertionError("run() has changed the process")

    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(signal, "signal", refuse)
    monkeypatch.setattr(gc, "disable", refuse)
    microgpt.run(["anna", "bob"], Config(num_steps=2, num_samples=1))
    assert stdout.encoding == "ascii"
    assert stdout.detach().getvalue().startswith(b"num docs: 2\r\n")


def test_a_small_model_learns_two_words():
    """After 150 steps, its likeliest continuation of a first letter is the word."""
    config = Config(n_embd=8, n_head=2, block_size=8, num_steps=150, temperature=0.01)
    docs = ["abcd", "dcba"]
    tokenizer = Tokenizer(docs)
    state_dict = drawn_weights(config, tokenizer.vocab_size)
    list(train(docs, tokenizer, state_dict, config))
    for word in docs:
        prompted = dataclasses.replace(config, prompt=word[0])
        assert sample(tokenizer, state_dict, prompted) == word


# Extreme settings, on input.txt. The losses are microgpt.js's, made as golden/README.md says. (It
# writes Infinity where Python has inf.)

FIRST = 3.1417  # the loss of the first step, when nothing has been learned
# Settings, losses, and the first sample.
FINITE = {
    "the lowest epsilon": (
        {"num_steps": 4, "eps_adam": 5e-324},
        [FIRST, 3.1723, 3.3467, 3.1268],
        "pxolf",
    ),
    "all weights 0": ({"num_steps": 4, "init_std": 0}, [3.2958] * 4, "ownlh"),
    "a temperature of 1e-300": (
        {"num_steps": 1, "temperature": 1e-300},
        [FIRST],
        "jpjpyjjjpyrjpbj",
    ),
    "a rate of 0.5": (
        {"num_steps": 4, "learning_rate": 0.5},
        [FIRST, 60.8782, 26.3593, 123.8608],
        "hht",
    ),
}
# Settings, the losses before the end, and whether sampling has begun.
OVERFLOWS = {
    "a rate of 1e6": ({"num_steps": 4, "learning_rate": 1e6}, [FIRST, float("inf")], False),
    "a rate of 1e308, in sampling": ({"num_steps": 1, "learning_rate": 1e308}, [FIRST], True),
    "weights of 1e200": ({"num_steps": 4, "init_std": 1e200}, [3.2958], False),
    "weights of 1e308": ({"num_steps": 4, "init_std": 1e308}, [], False),
    "a temperature of 1e-310": ({"num_steps": 1, "temperature": 1e-310}, [FIRST], True),
}


def output_of(losses, num_steps):
    """What a run on input.txt prints up to these losses."""
    header = "num docs: 12855\nvocab size: 27\nnum params: 4192\n"
    return header + "".join(
        f"step {step:4} / {num_steps:4} | loss {loss:.4f}\r"
        for step, loss in enumerate(losses, start=1)
    )


@pytest.mark.parametrize("name", FINITE)
def test_a_run_goes_on_while_every_score_is_finite(name, capsys):
    """It prints what the reference prints, to its end."""
    settings, losses, text = FINITE[name]
    config = Config(num_samples=1, **settings)
    microgpt.run(microgpt.load_docs(INPUT), config)
    samples = f"\n--- inference (new, hallucinated names) ---\nsample  1: {text}\n"
    assert capsys.readouterr().out == output_of(losses, config.num_steps) + samples


@pytest.mark.parametrize("name", OVERFLOWS)
def test_a_run_that_overflows_ends_with_an_error(name, capsys):
    """The losses up to there are the reference's; then a FloatingPointError, and no sample."""
    settings, losses, in_sampling = OVERFLOWS[name]
    config = Config(num_samples=1, **settings)
    with pytest.raises(FloatingPointError, match="a score is infinite or nan"):
        microgpt.run(microgpt.load_docs(INPUT), config)
    out = capsys.readouterr().out
    assert out.startswith(output_of(losses, config.num_steps))
    assert out.count("loss") == len(losses)
    assert ("--- inference" in out) == in_sampling
    assert "sample" not in out
