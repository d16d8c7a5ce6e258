"""MLflow as teams run it: a server on Postgres that keeps its files in S3, both real programs here."""

from __future__ import annotations

import pytest

from tests.launch.conftest import Place
from tests.local_stack import running

SHORT = ("--set", "training.epochs=2", "--set", "search.repeats=1")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_on_postgres_with_files_in_s3_has_every_run_and_picture(place: Place) -> None:
    import boto3
    import sqlalchemy

    with running(place.root / "stack", "--services", "mlflow") as stack:
        address = stack["MLFLOW_TRACKING_URI"].replace("//", "//admin:${MLFLOW_PASSWORD}@")
        mcel = "families=[{family: mcel, space: {epsilon: 0.1, similarity: lda}}, tce]"
        password = {"MLFLOW_PASSWORD": stack["MLFLOW_PASSWORD"]}
        place.run("launch", "tiny.yaml", *SHORT, "--set", mcel, "--set", f"tracking.uri={address}", **password)
        assert "already level" in place.run("sync", "tiny", **password).stdout
        client = boto3.client(
            "s3", endpoint_url=stack["AWS_ENDPOINT_URL"], aws_access_key_id=stack["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=stack["AWS_SECRET_ACCESS_KEY"], region_name=stack["AWS_DEFAULT_REGION"],
        )  # fmt: skip
        kept = [each["Key"] for each in client.list_objects_v2(Bucket=stack["MLFLOW_BUCKET"])["Contents"]]
        engine = sqlalchemy.create_engine(stack["POSTGRES_URI"].replace("postgresql:", "postgresql+psycopg2:"))
        with engine.connect() as store:
            keys = store.execute(
                sqlalchemy.text("select count(*), count(distinct value) from tags where key = 'study.key'")
            )
            runs, distinct = keys.one()
            metrics = sqlalchemy.text("select count(*) from metrics where key = 'train_loss'")
            points = store.execute(metrics).scalar_one()
        engine.dispose()
    assert runs == distinct == len(place.rows("select 1 from trials")) + 4
    assert points == 2 * len(place.rows("select 1 from trials"))
    assert sum(key.endswith("similarity.png") for key in kept) == 2  # of mcel's two cells
