"""Starts a run for whoever signed the request to the HTTP API."""

from lambdas import _runtime
from tunestep.gate.start_api import StartApi

handler = _runtime.http(StartApi(_runtime.context).app)
