"""Functions that several test files use: paths, weights, and the default run before it trains."""

import pathlib

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
PROGRAM = ROOT / "microgpt.py"
INPUT = ROOT / "input.txt"


def data_of(values):
    """The numbers of a list of Values."""
    return [value.data for value in values]


def drawn_weights(config, vocab_size):
    """A state_dict drawn from the seed of config."""
    microgpt.random.seed(config.seed)
    return microgpt.init_state_dict(config, vocab_size)


def before_the_first_step():
    """The default run before it trains: documents, tokenizer, weights, settings."""
    config = microgpt.Config()
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(INPUT)
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    return docs, tokenizer, microgpt.init_state_dict(config, tokenizer.vocab_size), config
