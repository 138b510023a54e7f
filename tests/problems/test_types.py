"""Problem types, which are registered when a class or an object declares them."""

from __future__ import annotations

import pytest

from systemlog.problems import ProblemException, ProblemType, problem_types, registry
from tests.problems.raising import TEAPOT, OutOfStock


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the problem types of a test after it."""
    monkeypatch.setattr(registry, "_types", dict(registry._types))


def test_a_class_needs_no_more_than_a_status() -> None:
    known = OutOfStock.problem_type
    assert known in problem_types()
    assert (known.slug, known.title, known.status) == ("out-of-stock", "Out of stock", 409)
    assert known.documentation == "The order asks for more than there is."


def test_an_object_is_a_type_too() -> None:
    assert TEAPOT in problem_types()
    problem = ProblemException(problem_type=TEAPOT)
    assert problem.status_code == 418
    assert str(problem.detail) == "It is short and stout."


@pytest.mark.parametrize(
    ("name", "slug", "title"),
    [("QuotaExceeded", "quota-exceeded", "Quota exceeded"), ("HTTPBroken", "http-broken", "Http broken")],
)
def test_slug_and_title_come_from_the_name_of_the_class(name: str, slug: str, title: str) -> None:
    declared = type(name, (ProblemException,), {"status_code": 400})
    assert (declared.slug, declared.title) == (slug, title)


def test_a_subclass_is_a_type_of_its_own() -> None:
    class SoldOutForever(OutOfStock):
        """The article is sold out and will not be made again."""

    assert SoldOutForever.slug == "sold-out-forever"
    assert SoldOutForever.status_code == 409


@pytest.mark.parametrize("slug", ["", "Out-of-stock", "out of stock", "out/stock", "-out", "out--stock", "überlauf"])
def test_a_slug_that_is_no_part_of_a_uri_is_refused(slug: str) -> None:
    with pytest.raises(ValueError, match="slug"):
        ProblemType(slug=slug, title="Odd", status=400)


@pytest.mark.parametrize("status", [0, 200, 399, 600])
def test_a_status_that_is_no_error_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        type("NoError", (ProblemException,), {"status_code": status})


@pytest.mark.parametrize("member", ["status", "title", "type", "instance", "correlation_id", "errors"])
def test_a_standard_member_cannot_be_an_extension(member: str) -> None:
    with pytest.raises(TypeError, match=member):
        OutOfStock("no", **{member: 1})


def test_types_are_values() -> None:
    def declared() -> ProblemType:
        return ProblemType(slug="same", title="Same", status=400, documentation="The same.")

    assert declared() == declared()
