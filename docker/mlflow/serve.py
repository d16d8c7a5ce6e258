"""Starts an MLflow server on Postgres, with passwords from files: in the image, in Kubernetes and in local-stack.

From the environment: POSTGRES_HOST, POSTGRES_PORT (5432), POSTGRES_USER (mlflow), POSTGRES_DB (mlflow),
POSTGRES_PASSWORD_FILE; MLFLOW_ADMIN_PASSWORD_FILE and MLFLOW_SECRET_KEY_FILE (it signs what the page's forms send); and
what MLflow itself reads, such as MLFLOW_ARTIFACTS_DESTINATION and MLFLOW_SERVER_ALLOWED_HOSTS.
"""

from __future__ import annotations

import argparse
import configparser
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote


def secret(name: str) -> str:
    """What is in the file that the environment's `name` names; ends the program where there is none."""
    try:
        found = Path(os.environ[name]).read_text(encoding="utf-8").strip()
    except KeyError:
        sys.exit(f"{name} is not set; let it name a file")
    except (OSError, UnicodeDecodeError) as problem:
        sys.exit(f"{name}: {problem}")
    if not found:
        sys.exit(f"{name}: {os.environ[name]} is empty")
    return found


def store() -> str:
    """The address of the database, with its password."""
    given = os.environ.get
    user, host = given("POSTGRES_USER", "mlflow"), given("POSTGRES_HOST", "postgres")
    place = f"{host}:{given('POSTGRES_PORT', '5432')}/{given('POSTGRES_DB', 'mlflow')}"
    return f"postgresql+psycopg2://{quote(user, safe='')}:{quote(secret('POSTGRES_PASSWORD_FILE'), safe='')}@{place}"


def auth_settings(database: str) -> Path:
    """The settings of MLflow's basic auth, in a file that only this user may read; the users lie in `database`."""
    config = configparser.RawConfigParser()
    config["mlflow"] = {
        "default_permission": "READ",  # of other users' experiments; each may change its own
        "database_uri": database.replace("%", "%%"),  # MLflow interpolates
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
    }
    path = Path(tempfile.mkdtemp(prefix="mlflow-auth-"), "settings.ini")  # the folder is its owner's alone
    with path.open("w", encoding="utf-8") as opened:
        config.write(opened)
    return path


def make_bucket() -> None:
    """Make the bucket of the artifacts where the S3 server is one of ours and lacks it."""
    destination, endpoint = os.environ.get("MLFLOW_ARTIFACTS_DESTINATION", ""), os.environ.get("MLFLOW_S3_ENDPOINT_URL")
    if not destination.startswith("s3://") or not endpoint:
        return
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = destination.removeprefix("s3://").partition("/")[0]
    client = boto3.client("s3", endpoint_url=endpoint)
    try:
        if bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as problem:
        sys.exit(f"{destination}: the S3 server at {endpoint} does not do its part: {problem}")


def main() -> None:
    """The command: become the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="5000")
    asked = parser.parse_args()
    database = store()
    make_bucket()
    os.environ |= {
        "MLFLOW_BACKEND_STORE_URI": database,  # not on the command line, which every user of the machine can read
        "MLFLOW_AUTH_CONFIG_PATH": str(auth_settings(database)),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": secret("MLFLOW_ADMIN_PASSWORD_FILE"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secret("MLFLOW_SECRET_KEY_FILE"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1"]
    sys.stdout.flush()
    os.execv(sys.executable, [*command, "--host", asked.host, "--port", asked.port])


if __name__ == "__main__":
    main()
