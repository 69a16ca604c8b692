"""Processes, devices and precision."""

from unittest import mock

import pytest
import torch
from torch.distributed.tensor import DTensor

from manifests.errors import UsageError
from trainer.models import MODELS, DecoderDims
from trainer.parallel import device_index, distributed_context, has_fast_bf16, initialize, shard

DIMS = DecoderDims(layers=1, width=32, heads=4, inner=64)


def test_a_process_takes_the_gpu_of_its_number_or_the_only_one_it_sees() -> None:
    assert [device_index(rank, 4, 4) for rank in range(4)] == [0, 1, 2, 3]
    assert [device_index(rank, 4, 1) for rank in range(4)] == [0, 0, 0, 0]


@pytest.mark.parametrize("rank", range(3))
def test_more_processes_than_gpus_are_an_error_in_each_process(rank) -> None:
    with pytest.raises(UsageError, match="3 processes on this machine, and each sees 2 GPUs"):
        device_index(rank, 3, 2)


def test_a_process_without_a_gpu_of_its_number_is_an_error() -> None:
    with pytest.raises(UsageError, match="3 processes on this machine, and each sees 2 GPUs"):
        device_index(2, 1, 2)


@pytest.mark.parametrize(("capability", "fast"), [((7, 0), False), ((7, 5), False), ((8, 0), True)])
def test_gpus_before_ampere_do_not_train_in_bfloat16_by_default(capability, fast) -> None:
    with mock.patch.object(torch.cuda, "get_device_capability", return_value=capability):
        assert has_fast_bf16(torch.device("cuda")) == fast


def embedding_gradient(context, bf16: bool) -> torch.Tensor:
    with torch.device("meta"):
        model = MODELS["llama"](DIMS, 50)
    shard(model, context, bf16)
    initialize(model, 1)
    tokens = torch.full((8, 512), 7)
    tokens[:, ::64] = 3
    model(tokens, torch.ones(tokens.shape)).total.backward()
    gradient = model.embed.weight.grad
    assert isinstance(gradient, DTensor)
    return gradient.full_tensor()


def test_gradients_of_equal_tokens_are_added_up_in_float32() -> None:
    with distributed_context(1) as context:
        exact, rounded = embedding_gradient(context, False), embedding_gradient(context, True)
    error = (rounded - exact).norm(dim=1) / exact.norm(dim=1).clamp(min=1e-9)
    assert error[7] < 0.05
    assert error[3] < 0.05
