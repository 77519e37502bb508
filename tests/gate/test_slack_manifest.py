"""The manifest that users create their Slack app from asks for what the code uses, and for nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunestep import settings
from tunestep.local import fake_slack_rules

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    "_metadata": {"major_version", "minor_version"},
    "display_information": {"name", "description", "long_description", "background_color"},
    "features": {"bot_user", "app_home", "shortcuts", "slash_commands"},
    "oauth_config": {"scopes", "redirect_urls"},
    "settings": {
        "interactivity",
        "event_subscriptions",
        "org_deploy_enabled",
        "socket_mode_enabled",
        "token_rotation_enabled",
    },
}
"""docs.slack.dev/reference/app-manifest"""

SCOPES = {"chat.postMessage": "chat:write", "chat.postEphemeral": "chat:write", "chat.update": "chat:write"}
"""Scope by method, from the methods' pages."""

WITHOUT = {"auth.test", "views.open"}
"""Methods that need none."""


@pytest.fixture
def manifest() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "examples/approval/slack-app.yaml").read_text())
    return document


def test_it_has_the_fields_that_slack_knows(manifest: dict[str, Any]) -> None:
    assert set(manifest) <= set(FIELDS)
    for part, value in manifest.items():
        assert set(value) <= FIELDS[part]
    assert 1 <= len(manifest["display_information"]["name"]) <= 35
    assert len(manifest["display_information"]["description"]) <= 140
    assert re.fullmatch(r"[a-z0-9._-]{1,80}", manifest["features"]["bot_user"]["display_name"])


def test_clicks_come_to_the_route_that_the_api_serves(manifest: dict[str, Any]) -> None:
    interactivity = manifest["settings"]["interactivity"]
    assert interactivity == {"is_enabled": True, "request_url": "https://API.example.com/slack"}
    assert manifest["settings"]["socket_mode_enabled"] is False


def test_its_permissions_are_those_of_the_methods_that_are_called(manifest: dict[str, Any]) -> None:
    needed = {SCOPES[method] for method in fake_slack_rules.METHODS if method not in WITHOUT}
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == needed


def test_the_example_s_settings_name_approvers_by_mail_and_in_slack() -> None:
    loaded = settings.load(ROOT / "examples/approval/tunestep.yaml")
    assert loaded is not None and loaded.slack is not None
    assert [(one.id, bool(one.email), bool(one.slack_user)) for one in loaded.approvers] == [
        ("ann", True, True),
        ("bob", True, False),
    ]
