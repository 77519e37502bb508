"""The built-in world: its data files written out as a world document for a region and an account."""

import copy
import json
from pathlib import Path
from typing import Any

from tunestep.names import HUB

_HERE = Path(__file__).parent
_RECIPE_VERSION = "1.0.0"


def document(region: str, account: str) -> dict[str, Any]:
    """A world document (the format of a world file).

    ``hub.json`` lists the models and their recipes; ``specs.json`` the hyperparameters and, for each
    kind of recipe, which of them it has and how their rules differ there.
    """
    hub = json.loads((_HERE / "hub.json").read_text(encoding="utf-8"))
    specs = json.loads((_HERE / "specs.json").read_text(encoding="utf-8"))
    world: dict[str, Any] = {"region": region, "account": account, "hub": {}, "override_specs": {}}
    for model in hub["models"]:
        described = _model(model, region)
        world["hub"][f"{HUB}/Model/{model['name']}"] = [
            described | {"version": version} for version in model["versions"]
        ]
        for recipe in model["recipes"]:
            world["override_specs"][_uri(region, recipe, "override_params", "json")] = _spec(
                specs, model, recipe
            )
    apps = json.dumps(hub["mlflow_apps"]).replace("{region}", region).replace("{account}", account)
    return world | {"mlflow_apps": json.loads(apps)}


def _model(model: dict[str, Any], region: str) -> dict[str, Any]:
    document = {
        "Url": model["url"],
        "Provider": model["provider"],
        "GatedBucket": model["gated"],
        "TrainingSupported": True,
        "RecipeCollection": [_recipe(recipe, region) for recipe in model["recipes"]],
    }
    if model["gated"]:
        document["HostingEulaUri"] = f"s3://{_service_bucket(region)}/fmhMetadata/eula/{model['name']}.txt"
    return {
        "document": document,
        "keywords": _keywords(model["recipes"]),
        "display_name": model["display_name"],
        "description": model["description"],
    }


def _keywords(recipes: list[dict[str, Any]]) -> list[str]:
    words = (f"@recipe:finetuning_{r['technique'].lower()}{'_lora' if 'peft' in r else ''}" for r in recipes)
    return list(dict.fromkeys(words))


def _recipe(recipe: dict[str, Any], region: str) -> dict[str, Any]:
    described = {
        "Name": recipe["name"],
        "DisplayName": recipe["name"],
        "Type": "FineTuning",
        "CustomizationTechnique": recipe["technique"],
        "SequenceLength": recipe["sequence_length"],
        "Hardware": "GPU",
        "Versions": [_RECIPE_VERSION],
        "InstanceCount": 1,
        "SupportedInstanceTypes": ["ml.p5.48xlarge"],
        "ServerlessMeteringType": recipe["metering"],
        "RecipeFilePath": f"recipes/fine-tuning/{recipe['name']}.yaml",
        "SmtjRecipeTemplateS3Uri": _uri(region, recipe, "payload_template", "yaml"),
        "SmtjOverrideParamsS3Uri": _uri(region, recipe, "override_params", "json"),
    }
    if "peft" in recipe:
        described["Peft"] = recipe["peft"]
    if recipe.get("subscription"):
        described["IsSubscriptionModel"] = True
    return described


def _spec(specs: dict[str, Any], model: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    template = specs["templates"][recipe["template"]]
    spec = {name: copy.deepcopy(specs["parameters"][name]) for name in template["parameters"]}
    weights = {"model_name_or_path": {"default": model["weights"]}} if "model_name_or_path" in spec else {}
    for rules in (template["rules"], weights, recipe.get("set", {})):
        for name, rule in rules.items():
            spec[name] |= rule
    return spec


def _service_bucket(region: str) -> str:
    return f"jumpstart-cache-prod-{region}"


def _uri(region: str, recipe: dict[str, Any], part: str, suffix: str) -> str:
    return (
        f"s3://{_service_bucket(region)}/recipes/{recipe['name']}_{part}_sm_jobs_v{_RECIPE_VERSION}.{suffix}"
    )
