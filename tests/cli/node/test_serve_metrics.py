"""`GET /v1/metrics` of a node that really runs."""

import json
import urllib.request

import pytest
from running_node import serving_node

CHECK = json.dumps(
    {
        "platform": "android",
        "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
        "app_id": "com.acme.app",
        "version_build": "1.0.0",
        "version_name": "1.0.0",
        "plugin_version": "8.51.14",
    }
).encode()


@pytest.mark.long
def test_a_running_node_tells_its_counters(tmp_path):
    with serving_node(tmp_path) as node:
        node.text("app", "create", "com.acme.app")
        with urllib.request.urlopen(f"{node.devices}/livez") as response:
            assert response.status == 200
        check = urllib.request.Request(f"{node.devices}/updates", CHECK, {"Content-Type": "application/json"})
        with urllib.request.urlopen(check) as response:
            assert response.status == 200
        token = (node.data_dir / "node" / "admin.token").read_text().strip()
        request = urllib.request.Request(f"{node.control}/v1/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as response:
            told = response.read().decode().splitlines()
    assert 'edge_worker_up{worker="0"} 1' in told and "edge_apps 1" in told
    assert 'edge_requests_total{worker="0",route="probes",status="2xx"} 1' in told
    assert 'edge_requests_total{worker="0",route="updates",status="2xx"} 1' in told
    assert 'edge_decisions_total{worker="0",outcome="no_channel"} 1' in told
    assert sum(line.startswith("edge_heads_age_seconds{") for line in told) == 16
