"""The local SageMaker: what serverless customization needs of it, on botocore's published shapes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunestep.local.sagemaker.delivery import Courier, Delivery
from tunestep.local.sagemaker.job_folder import JobFolders
from tunestep.local.sagemaker.jobs import JobOperations
from tunestep.local.sagemaker.mlflow_apps import MlflowAppOperations
from tunestep.local.sagemaker.records import Records
from tunestep.local.sagemaker.supervision import Supervisor
from tunestep.local.sagemaker.tags import TagOperations
from tunestep.local.world import World


class SageMakerService(JobOperations, MlflowAppOperations, TagOperations):
    """One account's SageMaker in one region, as a WSGI app.

    ``db_path`` is a file or ``:memory:``; ``jobs_dir`` is where jobs get their folders, None for a cloud
    that trains nothing. ``emit`` receives EventBridge events; ``delivery`` (settable at any time) says
    how reliably. ``launch`` starts the worker of a job folder and returns its process number;
    ``find_worker`` returns that of one which is running, or None.
    ``mlflow_url_getter`` is for metrics that go to another MLflow server than the laptop's own.
    """

    def __init__(
        self,
        db_path: Path | str,
        *,
        world: World,
        jobs_dir: Path | None,
        emit: Callable[[dict[str, Any]], None],
        launch: Callable[[Path], int],
        find_worker: Callable[[Path], int | None],
        region: str,
        account: str,
        endpoint_url_getter: Callable[[], str],
        mlflow_url_getter: Callable[[], str] | None = None,
        delivery: Delivery | None = None,
        clock: Callable[[], float] = time.time,
        settle_seconds: float = 0.2,
        poll_seconds: float = 0.05,
        stop_grace_seconds: float = 30.0,
    ) -> None:
        super().__init__(
            Records(db_path), region=region, account=account, clock=clock, settle_seconds=settle_seconds
        )
        self.world = world
        self.folders = (
            JobFolders(
                jobs_dir,
                region=region,
                account=account,
                stop_grace_seconds=stop_grace_seconds,
                endpoint_url=endpoint_url_getter,
                mlflow_url=mlflow_url_getter or endpoint_url_getter,
            )
            if jobs_dir is not None
            else None
        )
        self._courier = Courier(emit, delivery or Delivery())
        self.supervisor = Supervisor(
            self.records,
            self._courier,
            folders=self.folders,
            launch=launch,
            find_worker=find_worker,
            register=self.register_package,
            region=region,
            account=account,
            clock=clock,
            poll_seconds=poll_seconds,
            stop_grace_seconds=stop_grace_seconds,
        )
        self.records.replace_world(world.sagemaker_records(region, account))

    @property
    def delivery(self) -> Delivery:
        """How state-change events are delivered from now on."""
        return self._courier.delivery

    @delivery.setter
    def delivery(self, delivery: Delivery) -> None:
        self._courier.delivery = delivery

    def start(self) -> None:
        """Run jobs, beginning with those of before: living workers are watched again, dead ones Failed."""
        self.supervisor.start()

    def close(self) -> None:
        self.supervisor.close()
        self._courier.close()
        self.records.close()
