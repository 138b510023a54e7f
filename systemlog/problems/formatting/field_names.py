"""How field names stand on the wire: a renderer and parser that write camelCase rename what the serializers say."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.renderers import BaseRenderer, JSONRenderer

from systemlog.problems.pointers import LONGEST_CHARS, SHORT_KEY_CHARS

if TYPE_CHECKING:
    from rest_framework.views import APIView


def wire_names_of(view: APIView | None, request: HttpRequest) -> Callable[[object], object] | None:
    """What the view's renderer makes of a key; None if it leaves them as they are."""
    renderer = getattr(getattr(view, "request", None), "accepted_renderer", None)
    if renderer is None and view is not None and view.renderer_classes:
        renderer = view.renderer_classes[0]()
    if renderer is None or type(renderer).render is JSONRenderer.render or "json" not in str(renderer.media_type):
        return None
    return functools.partial(_renamed, type(renderer))


def _renamed(renderer: type[BaseRenderer], key: object) -> object:
    if not isinstance(key, str) or len(key) > LONGEST_CHARS:
        return key
    if len(key) > SHORT_KEY_CHARS:
        return _name(renderer, key)
    return _known_name(renderer, key)  # type: ignore[arg-type]  # a class is hashable


def _name(renderer: type[BaseRenderer], key: str) -> object:
    """The key as it comes out of the renderer: it is asked, so that every renderer's own rules hold."""
    try:
        rendered = json.loads(renderer().render({key: None}, "application/json", {}))
        (name,) = rendered
    except (ValueError, TypeError, LookupError, AttributeError):
        return key
    return name


_known_name = functools.lru_cache(maxsize=1024)(_name)
