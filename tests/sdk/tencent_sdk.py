"""Runs Tencent's official KMS SDK, so that tests can compare results with it.

Reads one call per line and writes one answer per line, until its input ends:

    {"action": "Decrypt", "parameters": {"CiphertextBlob": "..."}}
    {"ok": {"KeyId": "...", "Plaintext": "...", "RequestId": "..."}}  or  {"error": "AuthFailure.SignatureFailure"}

The settings are environment variables, so that a list of processes shows no secret:
TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, TENCENTCLOUD_TOKEN (optional), ENVCONF_TENCENT_ENDPOINT,
ENVCONF_CA_FILE (optional), TENCENTCLOUD_REGION, REQUEST_METHOD (POST or GET), UNSIGNED_PAYLOAD (optional).
"""

import json
import os
import sys

from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.kms.v20190118 import models
from tencentcloud.kms.v20190118.kms_client import KmsClient


def client():
    variables = os.environ
    scheme, host = variables["ENVCONF_TENCENT_ENDPOINT"].split("://")
    http = HttpProfile(
        protocol=scheme,
        endpoint=host,
        reqMethod=variables["REQUEST_METHOD"],
        reqTimeout=20,
        certification=variables.get("ENVCONF_CA_FILE"),
    )
    profile = ClientProfile(httpProfile=http)
    profile.unsignedPayload = "UNSIGNED_PAYLOAD" in variables
    credential = Credential(
        variables["TENCENTCLOUD_SECRET_ID"],
        variables["TENCENTCLOUD_SECRET_KEY"],
        variables.get("TENCENTCLOUD_TOKEN"),
    )
    return KmsClient(credential, variables["TENCENTCLOUD_REGION"], profile)


def answer(kms, call):
    action = call["action"]
    request = getattr(models, action + "Request")()
    request.from_json_string(json.dumps(call["parameters"]))
    try:
        response = getattr(kms, action)(request)
    except TencentCloudSDKException as error:
        return {"error": error.get_code()}
    return {"ok": json.loads(response.to_json_string())}


def main():
    kms = client()
    for line in sys.stdin:
        print(json.dumps(answer(kms, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
