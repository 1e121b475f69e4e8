"""Checks a schema against its draft. Prints `valid` or `invalid` for each instance, one per line."""

import ipaddress
import json
import sys

from jsonschema import Draft202012Validator, FormatChecker

formats = FormatChecker()


# The formats that envconf adds, as in the schema's documentation.
@formats.checks("ip-address", raises=ValueError)
def is_address(value):
    return not isinstance(value, str) or bool(ipaddress.ip_address(value))


@formats.checks("socket-address", raises=ValueError)
def is_socket_address(value):
    if not isinstance(value, str):
        return True
    host, _, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        ipaddress.IPv6Address(host[1:-1])
    else:
        ipaddress.IPv4Address(host)
    return port.isascii() and port.isdigit() and int(port) < 65536


with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    instances = json.load(file)

assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, format_checker=formats)
for instance in instances:
    print("valid" if validator.is_valid(instance) else "invalid")
