"""A small assembly to deploy, and a home folder with a cloud in it."""

import json
from pathlib import Path
from typing import Any

HANDLER = """
import json, os, time, urllib.request
def handler(event, context):
    if event.get("raise"): raise ValueError(event["raise"])
    if "exit" in event: os._exit(event["exit"])
    if event.get("sleep"): time.sleep(event["sleep"])
    if event.get("size"): return "x" * event["size"]
    if event.get("spin"): print("y" * event["spin"])
    return {"event": event, "env": dict(os.environ), "pid": os.getpid(), "home": os.path.expanduser("~"),
            "left": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn}
"""


def function(logical: str, name: str, **properties: Any) -> dict[str, Any]:
    return {
        logical: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": name,
                "Code": {"S3Bucket": "assets", "S3Key": "abc.zip"},
                "Handler": "work.handler",
                "Runtime": "python3.11",
                "Timeout": 5,
                **properties,
            },
        }
    }


def write_assembly(folder: Path, resources: dict[str, Any], **template: Any) -> Path:
    """An assembly of the stack ``demo`` with one asset, handlers in ``work.py``."""
    code = folder / "asset.abc"
    code.mkdir(parents=True)
    (code / "work.py").write_text(HANDLER)
    assets = {
        "files": {
            "abc": {
                "source": {"path": "asset.abc", "packaging": "zip"},
                "destinations": {"here": {"objectKey": "abc.zip"}},
            }
        }
    }
    (folder / "demo.assets.json").write_text(json.dumps(assets))
    (folder / "demo.template.json").write_text(json.dumps({"Resources": resources, **template}))
    return folder
