"""The two clients for S3, s3fs's and pyarrow's, set up alike: endpoint and credentials from the usual AWS variables, refused
requests asked again, silent servers given up.
"""

from __future__ import annotations

import os

import fsspec
import pyarrow.fs

_TRIES = 8  # of a request, with waits that double up to 20 s; AWS_MAX_ATTEMPTS is another number
_CONNECT_S, _SILENCE_S = 5, 30  # until a server that does not answer is given up


def client(tries: int = _TRIES) -> fsspec.AbstractFileSystem:
    """s3fs, with settings for botocore, the client beneath it. Equal ones share their connections."""
    retries = {"mode": "standard", "max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", tries))}
    requests = {"retries": retries, "connect_timeout": _CONNECT_S, "read_timeout": _SILENCE_S}
    return fsspec.filesystem("s3", use_listings_cache=False, config_kwargs=requests)


class ArrowClient(pyarrow.fs.S3FileSystem):
    """pyarrow's client for a bucket, set up like s3fs's: it knows neither AWS_ENDPOINT_URL nor, unpickled, its retries."""

    def __init__(self, bucket: str, region: str = ""):
        self.bucket = bucket
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        scheme, _, host = endpoint.rstrip("/").rpartition("://")
        if not region:
            region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1") if host else pyarrow.fs.resolve_s3_region(bucket)
        super().__init__(
            endpoint_override=host or None,
            scheme=scheme or "https",
            region=region,
            connect_timeout=_CONNECT_S,
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=int(os.environ.get("AWS_MAX_ATTEMPTS", _TRIES))),
        )

    def __reduce__(self) -> tuple:
        return ArrowClient, (self.bucket, self.region)
