"""A model's files between S3 and a folder."""

from pathlib import Path

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from tunestep.aws import Client
from tunestep.local.training import weights
from tunestep.local.training.data_files import Location
from tunestep.local.training.faults import TrainingFault


def download_model(s3: Client, source: Location, folder: Path) -> None:
    """The two files of a saved model, by their fixed names, into ``folder``.

    Raises:
        TrainingFault: one is missing, unreadable or too large.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"{source.key.rstrip('/')}/"
    for name in (weights.CONFIG, weights.WEIGHTS):
        file = Location(source.bucket, prefix + name)
        try:
            answer = s3.get_object(Bucket=file.bucket, Key=file.key)
            if answer["ContentLength"] > weights.MAX_WEIGHTS_BYTES:
                raise TrainingFault(f"{file} is larger than {weights.MAX_WEIGHTS_BYTES} bytes.")
            (folder / name).write_bytes(answer["Body"].read())
        except (BotoCoreError, ClientError) as error:
            raise TrainingFault(
                f"the source package's {file} cannot be read ({type(error).__name__})."
            ) from None


def upload_folder(s3: Client, folder: Path, target: Location) -> None:
    """Every file below ``folder`` to the same place below ``target``.

    Raises:
        TrainingFault: the output bucket refuses.
    """
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        file = Location(target.bucket, target.key + path.relative_to(folder).as_posix())
        try:
            s3.upload_file(str(path), file.bucket, file.key)
        except (BotoCoreError, ClientError, S3UploadFailedError) as error:
            raise TrainingFault(f"{file} cannot be written ({type(error).__name__}).") from None
