"""The recipe of a base model that a serverless job runs."""

from typing import Any

Recipe = dict[str, Any]


def choose(
    document: dict[str, Any], technique: str, *, lora: bool, sequence_length: str | None
) -> Recipe | None:
    """The fine-tuning recipe of a hub document, or None when the model has none that fits.

    The order is the SageMaker Python SDK 3.27.0's (sagemaker/train/common_utils/finetune_utils.py:47-86,
    827-1030), the only published account of the choice: with a job template, of the asked length; for
    LoRA the first that is no subscription recipe, or else the first; for full fine-tuning the first
    without a Peft.
    """
    fitting = [
        recipe
        for recipe in document.get("RecipeCollection", [])
        if recipe.get("CustomizationTechnique") == technique
        and recipe.get("SmtjRecipeTemplateS3Uri")
        and sequence_length in (None, recipe.get("SequenceLength"))
        and bool(recipe.get("Peft")) == lora
    ]
    if not lora:
        return next(iter(fitting), None)
    return next((r for r in fitting if not r.get("IsSubscriptionModel")), next(iter(fitting), None))


def hyperparameter_faults(spec: dict[str, Any], values: dict[str, str]) -> list[str]:
    """What the override spec of a recipe has against the strings of a request."""
    faults = []
    for name, value in values.items():
        if name not in spec:
            faults.append(f"{name} is not a hyperparameter of this recipe")
        # Specs also hold plain constants, which have no rule to break.
        elif isinstance(spec[name], dict) and value and (fault := _value_fault(spec[name], value)):
            faults.append(f"{name}={value} {fault}")
    return faults


def _value_fault(rule: dict[str, Any], text: str) -> str:
    value = _typed(rule.get("type", "string"), text)
    if value is None:
        return f"is not of type {rule['type']}"
    choices = rule.get("enum") if rule.get("type") != "array" else None
    if choices and value not in choices and text not in map(str, choices):
        return f"is not one of {choices}"
    if not isinstance(value, int | float):
        return ""
    low, high = rule.get("min"), rule.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        return f"is not between {low} and {high}"
    return ""


def _typed(kind: str, text: str) -> Any:
    """The value a string stands for, or None when it does not read as that type."""
    try:
        match kind:
            case "integer":
                return int(text)
            case "float":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}.get(text.lower())
    except ValueError:
        return None
    return text
