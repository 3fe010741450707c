"""Models: bands of grades, and what a model refuses."""

import pydantic
import pytest

from crmrules import Model

BANDS = [{"grade": "A", "at_least": 110}, {"grade": "B", "at_least": 90}, {"grade": "C"}]


def model(**parts: object) -> Model:
    return Model(**{"indicators": {"revenue": {"target": 1, "weight": 1}}, **parts})


@pytest.mark.parametrize("wrong", [{"indicators": {}}, {"period": "fortnight"}, {"subjects": "x"}])
def test_a_model_without_indicators_or_of_unknown_parts_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        model(**wrong)


def test_a_model_is_weightless_where_targets_weigh_nothing() -> None:
    assert model(indicators={"a": {"target": 1}, "b": {"target": 2, "weight": 0}}).weightless
    assert not model(indicators={"a": {"target": 1}, "b": {"target": 2, "weight": 0.1}}).weightless
    assert not model(indicators={"a": {}, "b": {}}).weightless
