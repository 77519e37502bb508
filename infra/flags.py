"""CDK's feature flags, set in code so that `python app.py` and the CDK command give the same template."""

FLAGS: dict[str, object] = {
    "@aws-cdk/core:validateAgainstDefaultRules": True,
    "@aws-cdk/core:checkSecretUsage": True,
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-lambda:recognizeVersionProps": True,
    "@aws-cdk/aws-lambda:useCdkManagedLogGroup": True,
    "@aws-cdk/aws-stepfunctions-tasks:fixRunEcsTaskPolicy": True,
}
