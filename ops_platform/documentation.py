"""`/schema` and `/docs`: what the API offers, for programs and for people, without a request to any other host."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from ops_platform.authentication import BearerAuthentication
from systemlog.problems import InvalidParameters

# The page's script comes from /docs?script=, its assets from /static/; Swagger UI styles its elements one by one.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class BearerScheme(OpenApiAuthenticationExtension):
    """How the schema names a token."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """HTTP's bearer scheme."""
        return {"type": "http", "scheme": "bearer", "description": "A token of `manage.py issue_token`."}


@extend_schema(exclude=True)
class SchemaView(SpectacularAPIView):
    """The OpenAPI document, as YAML or JSON by `?format=` or `Accept`."""

    # No OPTIONS: DRF would describe the view in the form of an OpenAPI document.
    http_method_names = ["get", "head"]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The document; 400 for a format that it does not have, or for a version."""
        if "version" in request.query_params:
            raise InvalidParameters({"version": "There is one version of this document: leave this out."})
        formats = sorted({renderer.format for renderer in self.get_renderers()})
        if request.query_params.get("format", formats[0]) not in formats:
            raise InvalidParameters({"format": f"This must be one of: {', '.join(formats)}."})
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # the library is untyped
        return response


@extend_schema(exclude=True)
class DocumentationView(SpectacularSwaggerSplitView):
    """Swagger UI over the schema."""

    url_name = "schema"
    # No OPTIONS: DRF would look for a template to describe the view with.
    http_method_names = ["get", "head"]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The page, or with `?script=` its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # the library is untyped
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response
