"""CloudFormation's intrinsic functions, resolved against what has been deployed so far.

Source: AWS CloudFormation user guide, "Intrinsic function reference". An unknown one is an error.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any


class TemplateUnsupported(Exception):  # noqa: N818
    """The template uses something that the laptop cloud does not emulate; the message names it."""


NO_VALUE = object()
"""What Ref AWS::NoValue resolves to; a property with this value is left out."""

_SUBSTITUTION = re.compile(r"\$\{([^}]+)\}")


class Resolver:
    """Resolves values. ``ref`` and ``attribute`` answer for resources, deploying them first if need be."""

    def __init__(
        self,
        *,
        pseudo: Mapping[str, Any],
        parameters: Mapping[str, Any],
        conditions: Mapping[str, Any],
        ref: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
    ) -> None:
        self._known = {**parameters, **pseudo, "AWS::NoValue": NO_VALUE}
        self._conditions = conditions
        self._ref, self._attribute = ref, attribute
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._reference,
            "Fn::GetAtt": self._get_att,
            "Fn::Join": self._join,
            "Fn::Sub": self._sub,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::Base64": lambda a: base64.b64encode(str(self.value(a)).encode()).decode(),
            "Fn::Equals": lambda a: self.value(a[0]) == self.value(a[1]),
            "Fn::Not": lambda a: not self.condition(a[0]),
            "Fn::And": lambda a: all(self.condition(item) for item in a),
            "Fn::Or": lambda a: any(self.condition(item) for item in a),
        }

    def value(self, value: Any) -> Any:
        """The value with every intrinsic resolved. Raises TemplateUnsupported."""
        if isinstance(value, list):
            return [item for item in map(self.value, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise TemplateUnsupported(f"the intrinsic function {name} is not emulated")
        resolved = {key: self.value(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def condition(self, condition: Any) -> bool:
        """A condition by name, or a condition expression."""
        if isinstance(condition, str):
            if condition not in self._conditions:
                raise TemplateUnsupported(f"the condition {condition} is not defined")
            return self.condition(self._conditions[condition])
        if isinstance(condition, dict) and set(condition) == {"Condition"}:
            return self.condition(condition["Condition"])
        return bool(self.value(condition))

    def _reference(self, name: str) -> Any:
        return self._known[name] if name in self._known else self._ref(name)

    def _get_att(self, argument: Any) -> Any:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._attribute(logical_id, self.value(attribute))

    def _join(self, argument: Any) -> str:
        return str(argument[0]).join(str(item) for item in self.value(argument[1]))

    def _select(self, argument: Any) -> Any:
        return self.value(argument[1])[int(self.value(argument[0]))]

    def _split(self, argument: Any) -> list[str]:
        return str(self.value(argument[1])).split(argument[0])

    def _if(self, argument: Any) -> Any:
        return self.value(argument[1] if self.condition(argument[0]) else argument[2])

    def _sub(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def substitute(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in own:
                return str(self.value(own[name]))
            return str(self._get_att(name) if "." in name else self._reference(name))

        return _SUBSTITUTION.sub(substitute, text)
