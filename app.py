"""CDK entry: read the settings, synthesize the stack. Calls no AWS API and needs no credentials.

``python app.py`` writes the cloud assembly to ./cdk.out or to CDK_OUTDIR. Settings come from
./tunestep.yaml, from the file that TUNESTEP_SETTINGS_FILE names, or from CDK's context ``settings``.
TUNESTEP_SYNTH=local leaves the wheels out of the functions' asset.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra import node
from infra.bundle import HEAVY_LOCK, LOCK, REWARD_PACKAGES, Bundle, BundleFailed
from infra.publishing import refuse_silent_topics
from infra.rewards import architecture, deployed
from tunestep.settings import Settings, SettingsInvalid, load


def settings() -> Settings:
    """Raises SettingsInvalid for a file that is wrong, FileNotFoundError for a named one that is absent."""
    context = json.loads(os.environ.get("CDK_CONTEXT_JSON") or "{}")
    return load(context.get("settings") or os.environ.get("TUNESTEP_SETTINGS_FILE") or None) or Settings()


def synthesize(chosen: Settings, bundle: Bundle, checks: Sequence[Any] = ()) -> None:
    """Write the cloud assembly; ``checks`` are plugins of CDK that look at it.

    Raises SettingsInvalid, BundleFailed, or RuntimeError where a check finds an error.
    """
    node.use_wheel()
    import aws_cdk as cdk  # noqa: PLC0415 - starts Node, so it comes after use_wheel

    from infra.flags import FLAGS  # noqa: PLC0415
    from infra.packaging import Packager  # noqa: PLC0415
    from infra.stack import TunestepStack  # noqa: PLC0415

    bundle = replace(bundle, architecture=chosen.architecture)
    app = cdk.App(context=FLAGS, outdir=os.environ.get("CDK_OUTDIR") or "cdk.out", analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(*checks)
    core = Packager(bundle)
    heavy = Packager(replace(bundle, lock=HEAVY_LOCK)) if bundle.lock else core
    rewards = deployed()
    # Rewards with the same wheels share an asset; without wheels, as on a laptop, all of them do.
    locks = {reward: reward.lock if bundle.lock else None for reward in rewards}
    packagers = {
        lock: Packager(
            replace(
                bundle,
                packages=REWARD_PACKAGES,
                lock=lock,
                architecture=architecture(lock, chosen.architecture),
            )
        )
        for lock in locks.values()
    }
    try:
        codes = {lock: packager.code() for lock, packager in packagers.items()}
        code = core.code()
        TunestepStack(
            app,
            settings=chosen,
            code=code,
            heavy=code if heavy is core else heavy.code(),
            rewards={r: codes[lock] for r, lock in locks.items()},
        )
        written = app.synth()
        refuse_silent_topics(json.loads(Path(written.stacks[0].template_full_path).read_text()))
    except RuntimeError:
        failures = [packager.failure for packager in (core, heavy, *packagers.values()) if packager.failure]
        if not failures:
            raise
        raise failures[0] from None


def main() -> int:
    local = os.environ.get("TUNESTEP_SYNTH") == "local"
    try:
        synthesize(settings(), Bundle(lock=None if local else LOCK))
    except (SettingsInvalid, FileNotFoundError) as fault:
        print(f"app.py: {fault}", file=sys.stderr)
        return 2
    except BundleFailed as fault:
        print(f"app.py: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
