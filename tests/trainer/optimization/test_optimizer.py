"""The optimizer step."""

import pytest
import torch
from torch.distributed.tensor import DTensor

from trainer.config import OptimizerConfig
from trainer.models import MODELS, DecoderDims
from trainer.optimization.optimizer import clip_and_step, gradient_norm, make_optimizer
from trainer.parallel import distributed_context, initialize, shard

DIMS = DecoderDims(layers=1, width=32, heads=4, inner=64)


@pytest.mark.parametrize("clip", [1e-3, 1e9])
def test_the_gradient_is_clipped_to_its_norm_over_all_parameters(clip: float) -> None:
    with distributed_context(1) as context:
        with torch.device("meta"):
            model = MODELS["codegen2"](DIMS, 50)
        shard(model, context, bf16=False)
        initialize(model, 1)
        optimizer = make_optimizer(model, OptimizerConfig())
        model(torch.arange(32).view(2, 16), torch.ones(2, 16)).total.backward()
        norm, value = gradient_norm(model)
        gradients = [parameter.grad for parameter in model.parameters()]
        before = [g.full_tensor().clone() for g in gradients if isinstance(g, DTensor)]
        assert value == pytest.approx(float(torch.cat([g.flatten() for g in before]).norm()))
        clip_and_step(model, optimizer, norm, clip, 3e-4)
        assert [group["lr"] for group in optimizer.param_groups] == [3e-4, 3e-4]
        scale = min(1.0, clip / value)
        for parameter, gradient in zip(model.parameters(), before, strict=True):
            moment = optimizer.state[parameter]["exp_avg"].full_tensor()
            torch.testing.assert_close(moment, gradient * scale * 0.1, rtol=1e-4, atol=1e-9)
