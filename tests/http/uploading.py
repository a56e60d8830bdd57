"""A visitor's side of uploads: the ways up, and what comes back."""

from __future__ import annotations

import httpx

from parlour.protocol import JsonObject
from tests.servers.client import Visitor

FIELD = "file"


def announce(
    visitor: Visitor, size: int, kind: str = "text/plain", name: str = "a.txt"
) -> JsonObject:
    return visitor.json("attachments.create", name=name, size=size, mime_type=kind)


def direct(visitor: Visitor, data: bytes, kind: str = "", name: str = "a") -> httpx.Response:
    return visitor.http.post("/uploads", files={FIELD: (name, data, kind)})


def refusal(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    code: str = response.json()["error"]["code"]
    return code


def stranger(url: str) -> httpx.Response:
    """What somebody without any credentials gets."""
    return httpx.get(url)


# The address is signed by itself: none of these sends any credentials.


def put_raw(visitor: Visitor, made: JsonObject, data: bytes) -> httpx.Response:
    return httpx.put(made["upload_descriptor"]["url"], content=data)


def post_raw(visitor: Visitor, made: JsonObject, data: bytes) -> httpx.Response:
    headers = {"content-type": "application/octet-stream"}
    return httpx.post(made["upload_descriptor"]["url"], content=data, headers=headers)


def put_form(visitor: Visitor, made: JsonObject, data: bytes) -> httpx.Response:
    return httpx.put(made["upload_descriptor"]["url"], files={FIELD: data})


def post_form(visitor: Visitor, made: JsonObject, data: bytes) -> httpx.Response:
    return httpx.post(made["upload_descriptor"]["url"], files={FIELD: ("x", data, "x/y")})
