"""Prometheus metrics through the control port: as text, for tokens that may read the node."""

from edge.wire.exposition import CONTENT_TYPE


async def test_metrics_are_text_for_tokens_that_may_read_the_node(acme):
    headers = {"Authorization": f"Bearer {acme.secrets['reader']}"}
    async with acme.client.get("/v1/metrics", headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, CONTENT_TYPE)
        assert await response.read() == b"# TYPE edge_apps gauge\nedge_apps 1\n"
        assert response.headers["Cache-Control"] == "no-store"


async def test_a_token_limited_to_one_app_does_not_see_them(api):
    assert await api("GET", "/v1/metrics", by="reader-acme", status=403) == "forbidden"
