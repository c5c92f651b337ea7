"""`edge telemetry` against a real node: what a device sent comes out as rows."""

import json

import pytest
from pyarrow import parquet
from running_node import app_name, web_build, write_folder


def updated(node, request, folder):
    """An app, of which one device has installed 1.0.1."""
    app = app_name(request)
    node.text("app", "create", app)
    node.text("channel", "create", app, "production", "--public")
    build = write_folder(folder / "build", web_build(4))
    node.text("bundle", "publish", app, build, "--version", "1.0.1", "--channel", "production")
    assert node.device(app, folder / "phone").exit_code == 0
    return app, (folder / "phone" / "device-id").read_text()


@pytest.mark.long
def test_what_a_device_sent_is_exported_in_both_formats(node, request, tmp_path):
    app, device = updated(node, request, tmp_path)
    rows = [json.loads(each) for each in node.text("telemetry", "export", app, "--since", "1h").splitlines()]
    assert {each["device"] for each in rows} == {device}
    assert "set" in {each["name"] for each in rows if each.get("version") == "1.0.1"}
    file = tmp_path / "events.parquet"
    told = node.json("telemetry", "export", app, "--format", "parquet", "-o", file)
    assert file.stat().st_mode & 0o077 == 0  # it names devices
    assert told == {"file": str(file), "bytes": file.stat().st_size}
    assert parquet.read_table(file)["name"].to_pylist() == [each["name"] for each in rows]


def test_what_a_device_sent_adds_up(node, request, tmp_path):
    updated(node, request, tmp_path)
    found = node.json("telemetry", "audit")
    (events,) = [each for each in found["kinds"] if each["kind"] == "event"]
    assert events["acknowledged"] == events["counted"] + events["duplicates"] > 0
    assert events["counted"] == events["in_figures"] and found["lost_places"] == 0
    assert found["exact"] and "it adds up" in node.text("telemetry", "audit")


def test_an_unknown_app_is_refused_and_a_failed_export_leaves_no_file(node, tmp_path):
    file = tmp_path / "events"
    assert "unknown app" in node.failure("telemetry", "export", "com.acme.nobody", "-o", file)
    assert not file.exists()
