"""The encryption parts of Tencent's guides, step by step, with the changes that make them run.

Reads one order per line and writes one answer per line, until its input ends:

    {"guide": "2019", "source": "app.toml", "key_file": "a.key", "data_file": "a.conf", "spec": "AES_256", "key": "decoded"}
    {}  or  {"error": "ValueError"}

`guide` is 2019, 2020 or small. `key` selects the form of the AES key: decoded, text, first-32 or first-16. `encoding` is
the encoding of the machine, which the guide of 2019 uses to read text. `pad` is the padding. The environment variables
are those of tencent_sdk.py, and KEY_ID.
"""

import base64
import json
import os
import sys

from Crypto.Cipher import AES
from tencentcloud.kms.v20190118 import models

from tencent_sdk import client


def generate_data_key(kms, spec):
    request = models.GenerateDataKeyRequest()
    request.KeyId = os.environ["KEY_ID"]
    request.KeySpec = spec
    response = kms.GenerateDataKey(request)
    return response.Plaintext, response.CiphertextBlob


def aes_key(plaintext, form):
    if form == "decoded":
        return base64.b64decode(plaintext)
    text = plaintext.encode("ascii")
    return {"text": text, "first-32": text[:32], "first-16": text[:16]}[form]


def add_to_16(value, pad):
    """The guide of 2019 counts characters here. The guide of 2020 (Python 2) counts bytes."""
    while len(value) % 16 != 0:
        value += pad
    return value


def guide_of_2019(kms, order):
    plaintext, blob = generate_data_key(kms, order["spec"])
    with open(order["source"], "r", encoding=order["encoding"]) as file:
        text = file.read()  # universal newlines
    padded = add_to_16(text, order["pad"]).encode("utf-8")
    encrypted = AES.new(aes_key(plaintext, order["key"]), AES.MODE_ECB).encrypt(padded)
    with open(order["data_file"], "w", newline="\n") as file:
        file.write(base64.encodebytes(encrypted).decode("ascii"))
    with open(order["key_file"], "w") as file:
        file.write(blob)


def guide_of_2020(kms, order):
    plaintext, blob = generate_data_key(kms, order["spec"])
    with open(order["source"], "rb") as file:
        text = file.read()  # a string of Python 2 contains bytes
    padded = add_to_16(text, order["pad"].encode("ascii"))
    encrypted = AES.new(aes_key(plaintext, order["key"]), AES.MODE_ECB).encrypt(padded)
    # The guide prints both, and its reader copies them.
    with open(order["data_file"], "w") as file:
        file.write(base64.b64encode(encrypted).decode("ascii") + "\n")
    with open(order["key_file"], "w") as file:
        file.write(blob + "\n")


def guide_for_small_files(kms, order):
    request = models.EncryptRequest()
    request.KeyId = os.environ["KEY_ID"]
    with open(order["source"], "rb") as file:
        request.Plaintext = base64.b64encode(file.read()).decode("ascii")
    with open(order["data_file"], "w") as file:
        file.write(kms.Encrypt(request).CiphertextBlob)


GUIDES = {"2019": guide_of_2019, "2020": guide_of_2020, "small": guide_for_small_files}


def main():
    kms = client()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            GUIDES[order["guide"]](kms, order)
            answer = {}
        except ValueError as error:  # AES raises this error for a wrong length of the key or text
            answer = {"error": type(error).__name__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
