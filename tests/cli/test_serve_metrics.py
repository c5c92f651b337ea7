"""`GET /v1/metrics` of a node that really runs."""

import urllib.request

from running_node import serving_node


def test_a_running_node_tells_its_counters(tmp_path):
    with serving_node(tmp_path) as node:
        node.text("app", "create", "com.acme.app")
        with urllib.request.urlopen(f"{node.devices}/livez") as response:
            assert response.status == 200
        token = (node.data_dir / "node" / "admin.token").read_text().strip()
        request = urllib.request.Request(f"{node.control}/v1/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as response:
            told = response.read().decode().splitlines()
    assert 'edge_worker_up{worker="0"} 1' in told and "edge_apps 1" in told
    assert any(line.startswith('edge_requests_total{worker="0",route="probes",status="2xx"}') for line in told)
    assert sum(line.startswith("edge_heads_age_seconds{") for line in told) == 16
