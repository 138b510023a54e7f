"""The endpoint of alerts, `/system/alerts/`: the state of every rule."""

from __future__ import annotations

from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.alerts.reading import alert_states
from systemlog.api.base import ReadingView
from systemlog.problems import InvalidParameters
from systemlog.records.times import represent_time

STATES = ("inactive", "pending", "firing", "error")


class AlertSerializer(serializers.Serializer[object]):
    """The state of a rule."""

    rule = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES, help_text="`error`: the rule could not be evaluated.")
    silenced = serializers.BooleanField()
    value = serializers.IntegerField(allow_null=True, help_text="How many records were counted; null while inactive.")
    starts_at = serializers.DateTimeField(allow_null=True, help_text="When the condition began to hold.")
    silenced_until = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField(allow_blank=True, help_text="Why the rule could not be evaluated.")


class AlertsSerializer(serializers.Serializer[object]):
    """The state of every rule, in the order of the settings."""

    items = AlertSerializer(many=True)


class AlertsView(ReadingView):
    """Lists the rules of alerts with their states."""

    @extend_schema(
        operation_id="system_alerts_list",
        summary="List the alert rules and their states",
        description="Every rule of the settings. A rule that fires has the time from which its condition holds.",
        responses={200: AlertsSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return every rule."""
        _refuse_parameters(request.query_params)
        return Response(
            {
                "items": [
                    {
                        **found._asdict(),
                        "starts_at": found.starts_at and represent_time(found.starts_at),
                        "silenced_until": found.silenced_until and represent_time(found.silenced_until),
                    }
                    for found in alert_states()
                ]
            }
        )


def _refuse_parameters(parameters: QueryDict) -> None:
    if unknown := [name for name in parameters if name != "format"]:
        raise InvalidParameters({name[:100]: "There is no such parameter." for name in unknown})
