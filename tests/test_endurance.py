"""A long run: 20,000 steps of a small model. (That a step takes no longer at the end is for benchmark.py to show.)"""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

EARLY, STEPS = 2_000, 20_000
RUN = f"""
import gc, json, math, sys
sys.path.insert(0, {str(ROOT)!r})
import microgpt
count = getattr(sys, "getallocatedblocks", lambda: None)  # of memory that Python's objects take
if hasattr(gc, "get_threshold"):  # if not, as in PyPy, the collector is what frees graphs at all
    gc.disable()
config = microgpt.Config(n_embd=4, n_head=2, block_size=4, num_steps={STEPS})
docs = ["ada", "bob", "cab", "dad"]
tokenizer = microgpt.Tokenizer(docs)
state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
finite, last, blocks = 0, 0.0, []
for step, loss in microgpt.train(docs, tokenizer, state_dict, config):
    finite += math.isfinite(loss)
    last += loss * (step > {STEPS} - 100) / 100
    if step in ({EARLY}, {STEPS}):
        blocks.append(count())
params = [p.data for matrix in state_dict.values() for row in matrix for p in row]
print(json.dumps([finite, last, all(map(math.isfinite, params)), blocks]))
"""


@pytest.fixture(scope="module")
def run():
    done = subprocess.run([sys.executable, "-c", RUN], stdout=subprocess.PIPE, timeout=300, check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(sys, "getallocatedblocks"), reason="this interpreter does not count its blocks")
def test_memory_is_flat(run):
    """Anything that a step leaves behind, be it one block: a graph with a cycle (the cyclic collector is off), a list
    that holds on to losses or caches. A graph alone is some 700 blocks, of which ReLU leaves out more or fewer."""
    early, late = run[-1]
    assert abs(late - early) < 1_000 < (STEPS - EARLY) / 10


def test_the_losses_stay_finite_and_low(run):
    """A bias correction that ends in 0 / 0, moments that overflow or fade: four names of three letters are learned down
    to what cannot be known, which of the four it is (ln 4 over four tokens), and stay learned."""
    finite, last, finite_parameters, _ = run
    assert finite == STEPS and finite_parameters
    assert 0.346 < last < 0.35
