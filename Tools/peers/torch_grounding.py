"""The native grounding policy in plain torch: the same network, the same responses, the same step.

Images pass two convolutions of stride 2 and two that the instruction scales and shifts (FiLM); a decoder
of blocks with self- and cross-attention writes eleven tokens; cells of the grid point at place words and
bins. Fused AdamW is torch's fastest on a CPU; keys and values of the response are cached.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from torch_training import prepared

WORDS, PLACES, BINS, LENGTH = 17, 16, 32, 11
TOKENS = WORDS + PLACES + BINS
PLACE, BIN, END = WORDS, WORDS + PLACES, 5
HIT, FORM = 1.0, 0.1


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3))
        self.qkv, self.mixed = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.query, self.memory, self.looked = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)
        self.feed = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def remember(self, grid):
        return [self.split(part) for part in self.memory(grid).chunk(2, -1)]

    def forward(self, x, memory, mask=None, cache=None):
        q, k, v = map(self.split, self.qkv(self.norms[0](x)).chunk(3, -1))
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.mixed(y.transpose(1, 2).flatten(2))
        y = F.scaled_dot_product_attention(self.split(self.query(self.norms[1](x))), *memory)
        x = x + self.looked(y.transpose(1, 2).flatten(2))
        return x + self.feed(self.norms[2](x)), (k, v)


class Policy(nn.Module):
    def __init__(self, side, d=64, blocks=2, heads=4):
        super().__init__()
        grid = side // 4
        self.d, self.grid = d, grid
        self.convolutions = nn.ModuleList([
            nn.Conv2d(3, 16, 5, 2, 2), nn.Conv2d(16, 48, 3, 2, 1), nn.Conv2d(48, d, 3, 1, 1),
            nn.Conv2d(d, d, 3, 1, 1)])
        self.films = nn.ModuleList(nn.Linear(d, 2 * d) for _ in range(2))
        self.words, self.tokens = nn.Embedding(TOKENS, d), nn.Embedding(TOKENS, d)
        self.rows = nn.Parameter(torch.randn(grid, 1, d) * 0.1)
        self.columns = nn.Parameter(torch.randn(1, grid, d) * 0.1)
        self.positions = nn.Parameter(torch.randn(1, LENGTH + 2, d) * 0.1)
        self.grid_norm, self.last_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(blocks))
        self.head, self.gates = nn.Linear(d, TOKENS), nn.Linear(d, 4)
        self.pointer, self.pointed = nn.Linear(d, d), nn.Linear(d, d)

    def context(self, views, words):
        condition = self.words(words).sum(1)
        first, second, third, fourth = self.convolutions
        x = F.gelu(second(F.gelu(first(views))))

        def film(x, layer):
            scale, shift = layer(condition)[:, :, None, None].chunk(2, 1)
            return F.gelu(x * (1 + scale) + shift)

        x = film(third(x), self.films[0])
        x = x + film(fourth(x), self.films[1])
        cells = self.grid_norm((x.permute(0, 2, 3, 1) + self.rows + self.columns).flatten(1, 2))
        return [block.remember(cells) for block in self.blocks], self.pointed(cells)

    def logits(self, h, pointed):
        scores = self.pointer(h) @ pointed.transpose(1, 2) / self.d ** 0.5
        g, gates = self.grid, self.gates(h)
        side = g // 4
        cells = scores.unflatten(-1, (g, g))
        blocks = cells.unflatten(-1, (4, side)).unflatten(2, (4, side))  # [B, T, 4, side, 4, side]
        coarse = torch.logsumexp(blocks, (3, 5)).flatten(2)
        fine = blocks.unflatten(-1, (4, -1)).unflatten(3, (4, -1))
        fine = torch.logsumexp(fine, (2, 4, 5, 7)).flatten(2)
        columns, rows = torch.logsumexp(cells, 2), torch.logsumexp(cells, 3)
        if g < BINS:
            columns, rows = (v.repeat_interleave(BINS // g, -1) for v in (columns, rows))
        else:
            columns, rows = (v.unflatten(-1, (BINS, -1)).logsumexp(-1) for v in (columns, rows))
        bias = torch.cat([
            gates[..., :1] * coarse + gates[..., 1:2] * fine,
            gates[..., 2:3] * columns + gates[..., 3:4] * rows], -1)
        return self.head(h) + F.pad(bias, (WORDS, 0))

    def sample(self, views, words, count):
        """[P · count × LENGTH] tokens and their log-probabilities."""
        memories, pointed = self.context(views, words)
        again = lambda t: t.repeat_interleave(count, 0)
        x, caches = self.tokens(words) + self.positions[:, :2], []
        for block, memory in zip(self.blocks, memories):
            x, cache = block(x, memory)
            caches.append(tuple(map(again, cache)))
        memories, pointed = [[again(k) for k in memory] for memory in memories], again(pointed)
        h, tokens, values = again(self.last_norm(x[:, -1:])), [], []
        for position in range(LENGTH):
            logs = self.logits(h, pointed)[:, 0].log_softmax(-1)
            token = torch.multinomial(logs.exp(), 1)
            values.append(logs.gather(1, token)[:, 0])
            tokens.append(token[:, 0])
            if position < LENGTH - 1:
                x = self.tokens(token) + self.positions[:, position + 2:position + 3]
                for index, block in enumerate(self.blocks):
                    x, caches[index] = block(x, memories[index], cache=caches[index])
                h = self.last_norm(x)
        return torch.stack(tokens, 1), torch.stack(values, 1)

    def forward(self, views, words, responses, count):
        memories, pointed = self.context(views, words)
        again = lambda t: t.repeat_interleave(count, 0)
        tokens = torch.cat([again(words), responses[:, :-1]], 1)
        x = self.tokens(tokens) + self.positions[:, :tokens.shape[1]]
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        mask[:2, :2] = True
        for block, memory in zip(self.blocks, memories):
            x, _ = block(x, [again(k) for k in memory], mask)
        return self.logits(self.last_norm(x[:, 1:]), again(pointed))


def sample(side, count):
    with torch.inference_mode(False), torch.no_grad():
        policy, views = Policy(side).eval(), torch.rand(1, 3, side, side) * 2 - 1
    words = torch.tensor([[6, 12]])

    def call():
        with torch.inference_mode():
            return policy.sample(views, words, count)

    return call


def step(side, prompts, count, steps):
    """Steps of rollout, rewards, Dr. GRPO with groups' deviations, one update."""
    policy = Policy(side)
    optimizer = torch.optim.AdamW(
        policy.parameters(), lr=5e-4, betas=(0.9, 0.98), weight_decay=0, fused=True)
    views = torch.rand(prompts, 3, side, side) * 2 - 1
    words = torch.stack([torch.randint(6, 12, (prompts,)), torch.randint(12, 17, (prompts,))], 1)
    boxes = torch.rand(prompts, 2) * 0.8
    boxes = torch.cat([boxes, boxes + 0.1], 1).repeat_interleave(count, 0)

    def call():
        with torch.no_grad():
            responses, old = policy.sample(views, words, count)
        form = (responses[:, 6] == 3) & (responses[:, 9] == 4) & (responses[:, 10] == END)
        form &= (responses[:, 7:9] >= BIN).all(1)
        points = (responses[:, 7:9] - BIN + 0.5) / BINS
        hits = form & (points >= boxes[:, :2]).all(1) & (points <= boxes[:, 2:]).all(1)
        rewards = (HIT * hits + FORM * form).view(-1, count)
        advantages = rewards - rewards.mean(1, keepdim=True)
        advantages = (advantages / (rewards.std(1, keepdim=True) + 1e-4)).view(-1, 1)
        logs = policy(views, words, responses, count).log_softmax(-1)
        ends = (responses == END).cumsum(1)
        mask = ((ends - (responses == END).long()) == 0).float()
        chosen = logs.gather(-1, responses[..., None])[..., 0]
        ratio = (chosen - old).exp()
        clipped = torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
        loss = -(clipped * mask).sum() / mask.numel()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    def calls():
        for _ in range(steps):
            call()

    return calls


def case(name, **arguments):
    if name == "sample":
        return sample(**arguments)
    return prepared(step, **arguments)
