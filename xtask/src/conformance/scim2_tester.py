"""Runs the checks of scim2-tester against a server, and prints one line of JSON per check.

The environment provides the base URL of the server and a bearer token, so that no list of processes shows the token.
"""

import json
import os

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server

client = Client(
    base_url=os.environ["SUITE_BASE_URL"],
    headers={"Authorization": f"Bearer {os.environ['SUITE_TOKEN']}"},
    timeout=30,
)
for result in check_server(SyncSCIMClient(client)):
    # One title stands for a check of each attribute; the attribute is in the data.
    attribute = result.data.get("urn", "") if isinstance(result.data, dict) else ""
    name = f"{result.resource_type or 'server'} {result.title} {attribute}".strip()
    print(json.dumps({"name": name, "status": result.status.name.lower(), "message": str(result.reason or "")}))
