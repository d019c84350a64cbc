"""Values of the neutral form are distinguished by their kind, and not by their position."""

import pytest

from gateway.dialects.neutral import ArgumentsDelta, Image, Reasoning, ReasoningDelta, Start, Text, TextDelta, Tool


def test_what_says_the_same_is_equal_wherever_it_stood() -> None:
    assert Text("a", at="messages[0]") == Text("a", at="messages[1]")
    assert hash(Image("png", "a", "here")) == hash(Image("png", "a", "there"))
    assert {Image("png", "a", "here"), Image("png", "a", "there")} == {Image("png", "a")}
    assert Tool("t", schema_at="x") == Tool("t")
    assert Text("a") != Text("b")
    assert Text("a", {"citations": []}) != Text("a")


@pytest.mark.parametrize("other", [ReasoningDelta(0, "a"), ArgumentsDelta(0, "a"), (0, "a"), "a", None])
def test_another_kind_is_never_equal(other: object) -> None:
    delta: object = TextDelta(0, "a")
    assert delta != other
    assert (delta == other) is False
    assert len({delta, other}) == 2
    text: object = Text("a")
    assert text != Reasoning("a")


def test_what_says_nothing_is_true_all_the_same() -> None:
    assert Start()
    assert Start() == Start()


def test_none_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        Text("a").text = "b"  # type: ignore[misc]
