#!/usr/bin/env python3
"""Writes what PyTorch's and transformers' optimizers and schedules compute on small parameters.

    python Tools/goldens/optimizers.py

Tests/ApusOptimTests/Fixtures/optimizers.json: per case the shape, the hyper-parameters, and the
weights after each of four steps. Initial weights and gradients are shared, one list each, of which
a case takes as many as its shape holds. Gradients are multiplied by `gradient_scale` beforehand.
Tests/ApusOptimTests/Fixtures/schedules.json: the learning rate of each step.
"""

import torch
from lion import Lion
from shared import ROOT, rounded, write_json
from transformers.optimization import Adafactor, get_scheduler

FIXTURES = ROOT / "Tests/ApusOptimTests/Fixtures"
STEPS, LARGEST = 4, 2 * 5 * 9
GRADIENT_SCALE = 0.25

torch.manual_seed(11)
WEIGHTS = torch.randn(LARGEST)
# Sizes over many orders of magnitude, as in real gradients, and some exact zeros.
GRADIENTS = torch.randn(STEPS, LARGEST) * 10 ** torch.empty(LARGEST).uniform_(-6, 1)
GRADIENTS[:, 7] = 0


def adamw(parameters, learning_rate, weight_decay, beta1, beta2, epsilon):
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=(beta1, beta2), eps=epsilon,
                             weight_decay=weight_decay, foreach=False)


def lion(parameters, learning_rate, weight_decay, beta1, beta2):
    group = {"params": parameters, "weight_decay": weight_decay}
    return Lion([group], learning_rate, (beta1, beta2))


def sgd(parameters, learning_rate, weight_decay, momentum, dampening, nesterov):
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, dampening=dampening,
                           nesterov=nesterov, weight_decay=weight_decay, foreach=False)


def adafactor(parameters, learning_rate, weight_decay):
    return Adafactor(parameters, lr=learning_rate, weight_decay=weight_decay,
                     scale_parameter=False, relative_step=False)


def muon(parameters, learning_rate, weight_decay, momentum, nesterov, scaling):
    return torch.optim.Muon(parameters, lr=learning_rate, weight_decay=weight_decay,
                            momentum=momentum, nesterov=nesterov, adjust_lr_fn=scaling)


def case(rule, shape, learning_rate, weight_decay, **options):
    count = torch.Size(shape).numel()
    weights = torch.nn.Parameter(WEIGHTS[:count].reshape(shape).clone())
    optimizer = globals()[rule]([weights], learning_rate, weight_decay, **options)
    steps = []
    for gradient in GRADIENTS:
        weights.grad = (gradient[:count] * GRADIENT_SCALE).reshape(shape)
        optimizer.step()
        steps.append([rounded(w, 9) for w in weights.detach().flatten()])
    return {"rule": rule, "shape": shape, "learning_rate": learning_rate,
            "weight_decay": weight_decay, **options, "weights": steps}


def schedule(name, steps, **options):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.002)
    scheduler = get_scheduler(name, optimizer, **options)
    rates = []
    for _ in range(steps):
        rates.append(rounded(scheduler.get_last_lr()[0], 17))
        optimizer.step()
        scheduler.step()
    return {"name": name, "rates": rates}


def main():
    cases = [
        case("adamw", [37], 1e-3, 0.1, beta1=0.9, beta2=0.95, epsilon=1e-8),
        case("adamw", [45], 0.02, 0.0, beta1=0.0, beta2=0.999, epsilon=1e-6),
        case("lion", [37], 1e-3, 0.1, beta1=0.9, beta2=0.99),
        case("sgd", [37], 0.1, 0.01, momentum=0.0, dampening=0.0, nesterov=False),
        case("sgd", [37], 0.1, 0.01, momentum=0.9, dampening=0.0, nesterov=False),
        case("sgd", [37], 0.1, 0.0, momentum=0.9, dampening=0.5, nesterov=False),
        case("sgd", [37], 0.1, 0.01, momentum=0.9, dampening=0.0, nesterov=True),
        case("adafactor", [9, 5], 1e-2, 0.1),
        case("adafactor", [2, 5, 9], 1e-2, 0.0),
        case("adafactor", [37], 1e-2, 0.1),
        case("muon", [9, 5], 1e-2, 0.1, momentum=0.95, nesterov=True, scaling="match_rms_adamw"),
        case("muon", [5, 18], 1e-2, 0.0, momentum=0.9, nesterov=False, scaling="original"),
    ]
    write_json(FIXTURES / "optimizers.json", {
        "gradient_scale": GRADIENT_SCALE,
        "initial_weights": [rounded(w, 9) for w in WEIGHTS],
        "gradients": [[rounded(g, 9) for g in step] for step in GRADIENTS],
        "cases": cases,
    })
    warm = {"num_warmup_steps": 4, "num_training_steps": 17}
    write_json(FIXTURES / "schedules.json", {"schedules": [
        schedule("constant", 20),
        schedule("constant_with_warmup", 20, num_warmup_steps=4),
        schedule("linear", 20, **warm),
        schedule("cosine", 20, **warm),
        schedule("cosine_with_min_lr", 20, **warm,
                 scheduler_specific_kwargs={"min_lr_rate": 0.1}),
        schedule("warmup_stable_decay", 20, **warm,
                 scheduler_specific_kwargs={"num_decay_steps": 6, "min_lr_ratio": 0.1}),
        schedule("warmup_stable_decay", 20, **warm,
                 scheduler_specific_kwargs={"num_decay_steps": 6, "decay_type": "1-sqrt"}),
        schedule("warmup_stable_decay", 20, **warm,
                 scheduler_specific_kwargs={"num_decay_steps": 6, "decay_type": "linear"}),
    ]})


if __name__ == "__main__":
    main()
