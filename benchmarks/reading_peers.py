"""The URLs of `benchmarks.reading`: those of the platform, and a list of the same rows as most projects write it."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.authentication import TokenAuthentication
from rest_framework.generics import ListAPIView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.permissions import IsAuthenticated

from systemlog.api.serializers import RecordSerializer
from systemlog.models import SystemLog


class PlainList(ListAPIView[SystemLog]):
    """REST framework's list, with its own tokens, its model serializer, COUNT and OFFSET."""

    queryset = SystemLog.objects.order_by("-timestamp", "-id")
    serializer_class = RecordSerializer
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]
    pagination_class = LimitOffsetPagination


urlpatterns = [path("plain/", PlainList.as_view()), path("", include("ops_platform.urls"))]
