"""Live or whole, and why: one row for each reason, and for what just is not one."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.plans import FRESH_BOUNDARY_MIN, SMALL_BODY, plan_for
from gateway.core.services import Service
from gateway.core.uploads import UploadHead
from gateway.multipart.boundaries import FRESH_MIN

LONG = b"b" * FRESH_BOUNDARY_MIN
SHORT = b"b" * (FRESH_BOUNDARY_MIN - 1)
LARGE = SMALL_BODY + 1

WHOLE = "the service is configured with `deliver: whole`"
SMALL = "the upload is small"
ONE_FILE = "the service takes one bare file, and that the form has only one shows at its end"
NO_LENGTH = "the upload has no Content-Length, and the service is not known to take chunked bodies"
SHORT_BOUNDARY = "the client's boundary is so short that its length cannot be kept"


def service(**options: Any) -> Service:
    return Service(name="text", url="http://text.test/", **options)


@pytest.mark.parametrize(
    ("options", "boundary", "length", "because"),
    [
        # a form to a service that takes forms
        ({}, LONG, LARGE, None),
        ({}, LONG, SMALL_BODY, SMALL),
        ({}, LONG, 0, SMALL),
        ({}, LONG, None, NO_LENGTH),
        ({}, SHORT, LARGE, SHORT_BOUNDARY),
        ({}, b"b" * 70, LARGE, None),
        ({"body": "length"}, LONG, LARGE, None),
        ({"body": "length"}, LONG, None, NO_LENGTH),
        ({"body": "length"}, SHORT, LARGE, SHORT_BOUNDARY),
        ({"body": "chunked"}, LONG, None, None),
        ({"body": "chunked"}, SHORT, None, None),
        ({"body": "chunked"}, SHORT, LARGE, None),
        ({"body": "chunked"}, LONG, SMALL_BODY, SMALL),
        ({"deliver": "whole"}, LONG, LARGE, WHOLE),
        ({"deliver": "whole"}, LONG, 0, WHOLE),
        ({"deliver": "whole", "body": "chunked"}, LONG, None, WHOLE),
        # a form to a service that takes one bare file
        ({"send": "raw"}, LONG, LARGE, ONE_FILE),
        ({"send": "raw"}, LONG, None, ONE_FILE),
        ({"send": "raw", "body": "chunked"}, LONG, LARGE, ONE_FILE),
        ({"send": "raw"}, LONG, SMALL_BODY, SMALL),
        # a raw body, to either
        ({}, None, LARGE, None),
        ({}, None, SMALL_BODY, SMALL),
        ({}, None, None, NO_LENGTH),
        ({"body": "chunked"}, None, None, None),
        ({"send": "raw"}, None, LARGE, None),
        ({"send": "raw"}, None, None, NO_LENGTH),
        ({"send": "raw", "body": "chunked"}, None, None, None),
        ({"send": "raw", "deliver": "whole"}, None, LARGE, WHOLE),
    ],
)
def test_a_plan_is_live_unless_it_says_why_not(
    options: dict[str, Any], boundary: bytes | None, length: int | None, because: str | None
) -> None:
    asked = service(**options)

    plan = plan_for(asked, UploadHead(boundary=boundary, length=length))

    assert plan.service is asked
    assert plan.because == because
    assert plan.live is (because is None)


def test_plans_and_bodies_agree_on_which_boundaries_are_long_enough() -> None:
    """A boundary that the plan calls long enough is one whose length a copied form keeps."""
    assert FRESH_BOUNDARY_MIN == FRESH_MIN
