"""Small models with arbitrary weights."""

import pytest
import torch

from trainer.models import MODELS, DecoderDims


@pytest.fixture(params=sorted(MODELS))
def model(request):
    torch.manual_seed(5)
    model = MODELS[request.param](DecoderDims(layers=2, width=64, heads=4, inner=128), 97)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model
