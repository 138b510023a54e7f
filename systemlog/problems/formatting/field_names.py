"""Field names as clients see them: a project's renderer may rename the fields of serializers, say to camelCase."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.renderers import BaseRenderer, JSONRenderer

from systemlog.problems.pointers import MAX_CACHED_KEY_CHARS, MAX_POINTER_CHARS

if TYPE_CHECKING:
    from rest_framework.views import APIView


def wire_names_of(view: APIView | None, request: HttpRequest) -> Callable[[object], object] | None:
    """Return the function by which the view's renderer renames keys; None if it does not rename them."""
    renderer = getattr(getattr(view, "request", None), "accepted_renderer", None)
    if renderer is None and view is not None and view.renderer_classes:
        renderer = view.renderer_classes[0]()
    if renderer is None or type(renderer).render is JSONRenderer.render or "json" not in str(renderer.media_type):
        return None
    return functools.partial(_renamed, type(renderer))


def _renamed(renderer: type[BaseRenderer], key: object) -> object:
    if not isinstance(key, str) or len(key) > MAX_POINTER_CHARS:
        return key
    if len(key) > MAX_CACHED_KEY_CHARS:
        return _name(renderer, key)
    return _cached_name(renderer, key)  # type: ignore[arg-type]  # a class is hashable


def _name(renderer: type[BaseRenderer], key: str) -> object:
    """Return the key as the renderer writes it. Renders an object with that key, so that the renderer's rules apply."""
    try:
        rendered = json.loads(renderer().render({key: None}, "application/json", {}))
        (name,) = rendered
    except (ValueError, TypeError, LookupError, AttributeError):
        return key
    return name


_cached_name = functools.lru_cache(maxsize=1024)(_name)
