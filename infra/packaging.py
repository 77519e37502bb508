"""Bundles as CDK assets, built on this machine by the bundler of infra.bundle."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

from infra.bundle import Bundle, BundleFailed


@jsii.implements(cdk.ILocalBundling)
class Packager:
    """Builds a bundle when CDK has no asset of the same digest yet.

    ``failure`` keeps what went wrong: an exception loses its type on its way through CDK.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.failure: BundleFailed | None = None

    def try_bundle(self, output_dir: str, options: Any = None, **_: Any) -> bool:
        """CDK's call: fill the folder; never falls back to Docker."""
        try:
            self._bundle.build(Path(output_dir))
        except BundleFailed as fault:
            self.failure = fault
            raise
        return True

    def code(self) -> lambda_.Code:
        """The asset; functions that share it share one upload."""
        return lambda_.Code.from_asset(
            str(self._bundle.root / self._bundle.packages[0]),
            asset_hash=self._bundle.digest(),
            asset_hash_type=cdk.AssetHashType.CUSTOM,
            bundling=cdk.BundlingOptions(
                # CDK wants an image; it is never pulled because try_bundle does the work.
                image=cdk.DockerImage.from_registry("none"),
                local=self,
            ),
        )
