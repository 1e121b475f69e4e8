"""Runs AWS's own SDK on lines of JSON: calls of any service, and signatures of given requests.

Each line of input is a call. Each line of output is its answer: {"ok": ...} or {"error": code}. Bytes are base64.
"""

import base64
import datetime
import json
import sys

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session

SESSION = botocore.session.get_session()


def encoded(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: encoded(inner) for key, inner in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [encoded(inner) for inner in value]
    return value


def call(line):
    client = SESSION.create_client(
        line["service"],
        region_name=line["region"],
        endpoint_url=line.get("endpoint"),
        aws_access_key_id=line.get("id", "test"),
        aws_secret_access_key=line.get("secret", "test"),
        aws_session_token=line.get("token"),
        config=botocore.config.Config(retries={"max_attempts": 0}),
    )
    parameters = line["parameters"]
    for name in ("CiphertextBlob", "Plaintext"):
        if name in parameters:
            parameters[name] = base64.b64decode(parameters[name])
    return encoded(getattr(client, line["action"])(**parameters))


def sign(line):
    """Returns the strings of a signature by botocore."""
    credentials = botocore.credentials.Credentials(line["id"], line["secret"], line.get("token"))
    signer = botocore.auth.SigV4Auth(credentials, line["service"], line["region"])
    request = botocore.awsrequest.AWSRequest(
        method=line["method"],
        url=line["url"],
        headers=line["headers"],
        data=line["body"].encode(),
    )
    moment = datetime.datetime.fromtimestamp(line["timestamp"], datetime.timezone.utc).replace(tzinfo=None)
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    del request.headers["X-Amz-Date"]
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    canonical = signer.canonical_request(request)
    to_sign = signer.string_to_sign(request, canonical)
    signature = signer.signature(to_sign, request)
    signer._inject_signature_to_request(request, signature)
    return {
        "canonical_request": canonical,
        "string_to_sign": to_sign,
        "signature": signature,
        "authorization": request.headers["Authorization"],
    }


for text in sys.stdin:
    line = json.loads(text)
    try:
        answer = {"ok": sign(line) if line["action"] == "sign" else call(line)}
    except botocore.exceptions.ClientError as error:
        answer = {"error": error.response["Error"].get("Code", "?")}
    except botocore.exceptions.BotoCoreError as error:
        answer = {"error": type(error).__name__}
    print(json.dumps(answer), flush=True)
