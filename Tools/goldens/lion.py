"""Lion, written from its paper (Chen et al. 2023, arXiv:2302.06675, Algorithm 2)."""

import torch


class Lion(torch.optim.Optimizer):
    """u = sign(b1 m + (1-b1) g);  w -= lr (u + decay w);  m = b2 m + (1-b2) g."""

    def __init__(self, groups, lr, betas):
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                update = torch.sign(first * momentum + (1 - first) * weight.grad)
                weight -= group["lr"] * (update + group["weight_decay"] * weight)
                momentum.copy_(second * momentum + (1 - second) * weight.grad)
