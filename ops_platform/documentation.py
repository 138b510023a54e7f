"""The views `/schema` (OpenAPI) and `/docs` (Swagger UI), which load nothing from other hosts."""

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

# The page loads its script from /docs?script= and its assets from /static/. Swagger UI needs inline styles.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class BearerScheme(OpenApiAuthenticationExtension):
    """Describes the authentication with a token in the schema."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Return HTTP's bearer scheme."""
        return {"type": "http", "scheme": "bearer", "description": "A token of `manage.py issue_token`."}


@extend_schema(exclude=True)
class SchemaView(SpectacularAPIView):
    """The OpenAPI document, as YAML or JSON by `?format=` or `Accept`."""

    # No OPTIONS, which DRF would answer with a description that no renderer here can write.
    http_method_names = ["get", "head"]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the document. Raises `InvalidParameters` for an unknown format, and for a version."""
        if "version" in request.query_params:
            raise InvalidParameters({"version": "There is only one version of this document. Leave the parameter out."})
        formats = sorted({renderer.format for renderer in self.get_renderers()})
        if request.query_params.get("format", formats[0]) not in formats:
            raise InvalidParameters({"format": f"This must be one of: {', '.join(formats)}."})
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # the library is untyped
        return response


@extend_schema(exclude=True)
class DocumentationView(SpectacularSwaggerSplitView):
    """Swagger UI for the schema."""

    url_name = "schema"
    # No OPTIONS, for which DRF would look for a template.
    http_method_names = ["get", "head"]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page, or with `?script=` its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # the library is untyped
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response
