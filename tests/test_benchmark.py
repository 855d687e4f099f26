"""The benchmark's own arithmetic: what it measures against must be right before it can be slow or fast."""

import pytest
from benchmark import Floor, multiply_adds

import microgpt

DOCS = ["emma", "olivia", "anna", "isabella", "christopherus"]


@pytest.mark.parametrize("settings", [{}, {"n_embd": 6, "n_head": 3, "n_layer": 3, "block_size": 5, "init_std": 0.5}])
def test_the_floor_trains_the_same_model(settings):
    """A gradient derived wrongly by hand, or left out: it would make the floor faster than it can be."""
    config = microgpt.Config(num_steps=6, **settings)
    tokenizer = microgpt.Tokenizer(DOCS)
    microgpt.random.seed(config.seed)
    state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
    floor = Floor(state_dict, config)
    for doc, (step, loss) in zip(DOCS, microgpt.train(DOCS, tokenizer, state_dict, config)):
        assert floor.train_step(tokenizer.encode(doc)) == pytest.approx(loss, rel=1e-12), step
    for name, matrix in state_dict.items():
        for row, floats in zip(matrix, floor.weights[name]):
            assert floats == pytest.approx([p.data for p in row], rel=1e-10, abs=1e-12), name


def test_multiply_adds():
    """A matrix forgotten in the count: here it is the number of products that Dot makes in a forward pass."""
    config = microgpt.Config(n_embd=8, n_head=2, n_layer=2, init_std=0.0)
    state_dict = microgpt.init_state_dict(config, 5)
    made, init = [], microgpt.Dot.__init__

    def counting(self, a, b):
        made.append(len(a))
        init(self, a, b)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(microgpt.Dot, "__init__", counting)
        microgpt.forward([4, 0, 1, 2, 4], state_dict, config)
    silent = 4 * 2 * 8 * 4 * 8  # with weights of 0 no hidden unit is live: fc2 reads none of them
    rmsnorms = 4 * (1 + 2 * 2) * 8
    assert sum(made) + silent - rmsnorms == multiply_adds(config, 5, 4)
