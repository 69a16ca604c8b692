import pytest
from pydantic import ValidationError

from manifests.errors import UsageError
from manifests.special_tokens import SpecialTokens

CODEGEN2 = SpecialTokens(end=50256, sep=50299, eom=50300, mask_1=51199, masks=899, vocabulary=51200)


def test_masks_of_codegen2_descend():
    assert CODEGEN2.mask(1) == 51199
    assert CODEGEN2.mask(2) == 51198
    assert CODEGEN2.mask(899) == 50301


@pytest.mark.parametrize("number", [0, -1, 900])
def test_a_mask_that_is_not_there(number):
    with pytest.raises(UsageError, match=f"<mask_{number}>: the vocabulary has 899 masks"):
        CODEGEN2.mask(number)


def test_a_vocabulary_without_masks_cannot_infill():
    plain = SpecialTokens(end=0, vocabulary=257)
    with pytest.raises(UsageError, match="has 0 masks"):
        plain.mask(1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"end": 10, "vocabulary": 10}, "end is 10"),
        ({"end": 0, "masks": 3, "vocabulary": 10}, "mask_1 is missing"),
        ({"end": 0, "mask_1": 1, "masks": 3, "vocabulary": 10}, "mask_3 is -1"),
        ({"end": 0, "mask_1": 1, "mask_step": 0, "masks": 3, "vocabulary": 10}, "mask_step"),
    ],
)
def test_ids_outside_the_vocabulary_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        SpecialTokens(**fields)


def test_ids_for_filling_in_the_middle_are_kept_and_checked():
    tokens = SpecialTokens(end=0, fim_prefix=1, fim_suffix=2, fim_middle=3, vocabulary=10)
    assert SpecialTokens.model_validate(tokens.model_dump(mode="json")) == tokens
    with pytest.raises(ValidationError, match="fim_middle is 10, not below the vocabulary 10"):
        SpecialTokens(end=0, fim_middle=10, vocabulary=10)
