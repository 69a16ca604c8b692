import pytest

from filters.quality.scope import genre_of_component


@pytest.mark.parametrize(
    ("component", "genre"),
    [
        ("python", "code"),
        ("html", "code"),
        ("markdown", "prose"),
        ("tex", "prose"),
        ("web", "prose"),
        ("documents", "prose"),
    ],
)
def test_a_component_is_code_if_it_is_a_language_that_is_not_prose(component, genre):
    assert genre_of_component(component) == genre
