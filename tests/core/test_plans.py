"""Live or whole, and why: one row for each reason, and for what just is not one."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.plans import FRESH_BOUNDARY_MIN, SMALL_BODY, plan_for
from gateway.core.services import Accept, AddedField, Send, Service
from gateway.core.uploads import UploadHead
from gateway.multipart.boundaries import FRESH_MIN

LONG = b"b" * FRESH_BOUNDARY_MIN
SHORT = b"b" * (FRESH_BOUNDARY_MIN - 1)
LARGE = SMALL_BODY + 1

WHOLE = "the service is configured with `deliver: whole`"
SMALL = "the upload is small"
ONE_FILE = "the service takes one bare file, and that the form has only one shows at its end"
ONE_FILE_IN_JSON = "the service takes JSON with one file, and that the form has only one shows at its end"
JSON_UPLOAD = "the upload is JSON, and its decoded length shows at its end"
SNIFFED = "the types of files are read from their content, which comes behind their headers"
FILE_LAST = "the service gets fields before files, and the last field may be at the end"
EACH = "the service gets each file by itself, and how many there are shows at the end"
REPEAT = "names that occur more than once are marked, and whether one does shows at the end"
CHANGED = "parts are changed or left out, and the service is not known to take chunked bodies"
NO_LENGTH = "the upload has no Content-Length, and the service is not known to take chunked bodies"
SHORT_BOUNDARY = "the client's boundary is so short that its length cannot be kept"

RAW = {"send": Send(kind="raw")}
JSON = {"send": Send(kind="json")}
CHUNKED = {"body": "chunked"}
ADDED = {"send": Send(add=(AddedField(name="lang", content=b"en"),))}
RULES = [
    Send(rename={"file": "document"}),
    Send(only=frozenset({"file"})),
    Send(drop=frozenset({"comment"})),
    Send(filename="ascii"),
    Send(content_type="text/plain"),
]


def service(options: dict[str, Any]) -> Service:
    return Service(name="text", urls=("http://text.test/",), **options)


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
        (CHUNKED, LONG, None, None),
        (CHUNKED, SHORT, None, None),
        (CHUNKED, SHORT, LARGE, None),
        (CHUNKED, LONG, SMALL_BODY, SMALL),
        ({"deliver": "whole"}, LONG, LARGE, WHOLE),
        ({"deliver": "whole"}, LONG, 0, WHOLE),
        ({"deliver": "whole"} | CHUNKED, LONG, None, WHOLE),
        # with fields added in front
        (ADDED, LONG, LARGE, None),
        (ADDED, LONG, SMALL_BODY, SMALL),
        (ADDED, LONG, None, NO_LENGTH),
        (ADDED, SHORT, LARGE, SHORT_BOUNDARY),
        (ADDED | CHUNKED, SHORT, None, None),
        # with rules that look at one part at a time
        *[({"send": send}, LONG, LARGE, CHANGED) for send in RULES],
        *[({"send": send}, SHORT, LARGE, CHANGED) for send in RULES],
        *[({"send": send}, LONG, None, NO_LENGTH) for send in RULES],
        *[({"send": send}, LONG, SMALL_BODY, SMALL) for send in RULES],
        *[({"send": send} | CHUNKED, LONG, LARGE, None) for send in RULES],
        *[({"send": send} | CHUNKED, SHORT, None, None) for send in RULES],
        # with rules that look further
        ({"send": Send(file_last=True)} | CHUNKED, LONG, LARGE, FILE_LAST),
        ({"send": Send(each="file")} | CHUNKED, LONG, LARGE, EACH),
        ({"send": Send(kind="raw", each="file")} | CHUNKED, LONG, LARGE, EACH),
        ({"send": Send(repeat="index")} | CHUNKED, LONG, LARGE, REPEAT),
        ({"send": Send(repeat="brackets")}, LONG, LARGE, REPEAT),
        ({"send": Send(content_type="sniff")} | CHUNKED, LONG, LARGE, SNIFFED),
        ({"send": Send(content_type="sniff")}, LONG, SMALL_BODY, SMALL),
        # a form to a service that takes one bare file, or JSON
        (RAW, LONG, LARGE, ONE_FILE),
        (RAW, LONG, None, ONE_FILE),
        (RAW | CHUNKED, LONG, LARGE, ONE_FILE),
        (RAW, LONG, SMALL_BODY, SMALL),
        (JSON, LONG, LARGE, ONE_FILE_IN_JSON),
        (JSON | CHUNKED, LONG, None, ONE_FILE_IN_JSON),
        (JSON, LONG, SMALL_BODY, SMALL),
        # a raw body, to any
        ({}, None, LARGE, None),
        ({}, None, SMALL_BODY, SMALL),
        ({}, None, None, NO_LENGTH),
        (CHUNKED, None, None, None),
        (RAW, None, LARGE, None),
        (RAW, None, None, NO_LENGTH),
        (RAW | CHUNKED, None, None, None),
        (RAW | {"deliver": "whole"}, None, LARGE, WHOLE),
        (JSON, None, LARGE, None),
        (JSON, None, None, NO_LENGTH),
        (JSON | CHUNKED, None, None, None),
        (ADDED, None, LARGE, None),
        # whose one part is known at once, but for its content
        *[({"send": send}, None, LARGE, None) for send in RULES],
        ({"send": Send(file_last=True, each="file", repeat="index")}, None, LARGE, None),
        ({"send": Send(content_type="sniff")}, None, LARGE, SNIFFED),
    ],
)
def test_a_plan_is_live_unless_it_says_why_not(
    options: dict[str, Any], boundary: bytes | None, length: int | None, because: str | None
) -> None:
    asked = service(options)

    plan = plan_for(asked, UploadHead(boundary=boundary, length=length))

    assert plan.service is asked
    assert plan.because == because
    assert plan.live is (because is None)
    assert plan.keep is not plan.live


@pytest.mark.parametrize(
    ("options", "length", "because"),
    [
        ({}, LARGE, JSON_UPLOAD),
        ({}, None, JSON_UPLOAD),
        (CHUNKED, LARGE, JSON_UPLOAD),
        (JSON, LARGE, JSON_UPLOAD),
        (RAW | CHUNKED, None, JSON_UPLOAD),
        ({}, SMALL_BODY, SMALL),
        ({"deliver": "whole"}, LARGE, WHOLE),
    ],
)
def test_a_json_upload_waits(options: dict[str, Any], length: int | None, because: str) -> None:
    """Its parts are what it decodes to."""
    plan = plan_for(service(options), UploadHead(boundary=None, is_json=True, length=length))

    assert (plan.live, plan.because, plan.keep) == (False, because, True)


@pytest.mark.parametrize(
    ("accept", "boundary", "length", "live", "keep"),
    [
        # a delivery begins when the parts that are required have begun, and what came before them is still needed
        (Accept(require=("file",)), LONG, LARGE, True, True),
        (Accept(require=("file",)), LONG, SMALL_BODY, False, True),
        # a raw body is that part from its first byte on
        (Accept(require=("file",)), None, LARGE, True, False),
        # other conditions are known from the header, or end the upload
        (Accept(types=("image/*",), body=LARGE), LONG, LARGE, True, False),
        (Accept(), LONG, LARGE, True, False),
    ],
)
def test_an_upload_is_kept_where_its_delivery_begins_behind_its_first_byte(
    accept: Accept, boundary: bytes | None, length: int, live: bool, keep: bool
) -> None:
    plan = plan_for(service({}), UploadHead(boundary=boundary, length=length), accept)

    assert (plan.live, plan.keep) == (live, keep)


def test_plans_and_bodies_agree_on_which_boundaries_are_long_enough() -> None:
    """A boundary that the plan calls long enough is one whose length a copied form keeps."""
    assert FRESH_BOUNDARY_MIN == FRESH_MIN
