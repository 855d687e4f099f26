"""The first step of the default run against PyTorch: python tests/against_pytorch.py

The same weights and the same first document of input.txt, through the same model built from torch.nn.functional in
double precision, over all positions at once with a causal mask: no cache, no scalars, an autograd written by others.
Prints how far apart the losses and the 4,192 gradients are, then a summary of PyTorch's own, which is kept as
golden/pytorch.gradients.txt and checked by test_golden.py where there is no PyTorch.
"""

import pathlib
import sys

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import microgpt  # noqa: E402

ENTRIES = [
    ("wte", 0, 0), ("wte", 26, 7), ("wpe", 0, 3), ("wpe", 5, 11), ("lm_head", 4, 0), ("lm_head", 26, 15),
    ("layer0.attn_wq", 1, 2), ("layer0.attn_wk", 9, 14), ("layer0.attn_wv", 8, 8), ("layer0.attn_wo", 15, 0),
    ("layer0.mlp_fc1", 40, 5), ("layer0.mlp_fc2", 12, 63),
]  # fmt: skip


def loss_of(tokens, w, config):
    """The mean cross-entropy over a document of fewer tokens than the block, all positions at once."""
    inputs, targets = torch.tensor(tokens[:-1]), torch.tensor(tokens[1:])
    shape = (config.n_embd,)
    x = F.rms_norm(w["wte"][inputs] + w["wpe"][: len(inputs)], shape, eps=1e-5)
    for li in range(config.n_layer):
        h = F.rms_norm(x, shape, eps=1e-5)
        q, k, v = (
            F.linear(h, w[f"layer{li}.attn_w{name}"]).unflatten(-1, (config.n_head, -1)).transpose(0, 1)
            for name in "qkv"
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(-2)
        x = x + F.linear(mixed, w[f"layer{li}.attn_wo"])
        h = F.rms_norm(x, shape, eps=1e-5)
        x = x + F.linear(F.relu(F.linear(h, w[f"layer{li}.mlp_fc1"])), w[f"layer{li}.mlp_fc2"])
    return F.cross_entropy(F.linear(x, w["lm_head"]), targets)


def main():
    config = microgpt.Config()
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(str(ROOT / "input.txt"))
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
    tokens = tokenizer.encode(docs[0])
    weights = {
        name: torch.tensor([[p.data for p in row] for row in matrix], dtype=torch.float64, requires_grad=True)
        for name, matrix in state_dict.items()
    }
    theirs = loss_of(tokens, weights, config)
    theirs.backward()
    ours = microgpt.forward(tokens, state_dict, config)
    ours.backward()
    grads = [p.grad for matrix in state_dict.values() for row in matrix for p in row]
    differences = torch.tensor(grads, dtype=torch.float64) - torch.cat([w.grad.flatten() for w in weights.values()])
    print(f"PyTorch {torch.__version__}, {docs[0]!r}", file=sys.stderr)
    print(f"losses differ by {abs(ours.data - theirs.item()):.1e}", file=sys.stderr)
    print(f"{len(grads)} gradients differ by {differences.abs().max():.1e} at most", file=sys.stderr)
    print(f"loss {theirs.item()!r}")
    for name, w in weights.items():
        print(f"{name} norm {w.grad.norm().item()!r}")
    for name, row, column in ENTRIES:
        print(f"{name} {row} {column} {weights[name].grad[row, column].item()!r}")


if __name__ == "__main__":
    main()
