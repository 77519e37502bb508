"""Errors as MLflow's REST API reports them."""


class MlflowFault(Exception):  # noqa: N818 - the service's own answer
    """An MLflow error code with its message and HTTP status."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def invalid(message: str) -> MlflowFault:
    return MlflowFault("INVALID_PARAMETER_VALUE", message, 400)


def absent(message: str) -> MlflowFault:
    return MlflowFault("RESOURCE_DOES_NOT_EXIST", message, 404)
