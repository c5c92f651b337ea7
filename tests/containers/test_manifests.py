"""The manifests for Kubernetes against its published schemas, and what they and compose.yaml share with the node."""

import re
from functools import cache

import kubernetes_validate
import pytest
import yaml
from dockerfile_steps import described, steps_of
from places import ROOT

from edge.assembly.control_port import CONTROL_DRAIN_SECONDS
from edge.assembly.serving_node import LEAVE_SECONDS
from edge.config import load_config, load_settings

# The oldest has what the manifests use (preStop's sleep since 1.30); the newest is the latest that the package knows.
VERSIONS = ("1.30", "1.34", "1.37")
MANIFESTS = ("origin", "region")
COMPOSE = yaml.safe_load((ROOT / "config" / "compose" / "compose.yaml").read_text())
NODES = ("origin", "eu", "us")
STEPS = steps_of((ROOT / "Dockerfile").read_text())


@cache
def documents(name):
    return list(yaml.safe_load_all((ROOT / "config" / "kubernetes" / f"{name}.yaml").read_text()))


def of_kind(name, kind):
    return next(each for each in documents(name) if each["kind"] == kind)


def pod_of(name):
    return of_kind(name, "StatefulSet")["spec"]["template"]["spec"]


def config_of(name, tmp_path):
    (tmp_path / "edge.toml").write_text(of_kind(name, "ConfigMap")["data"]["edge.toml"])
    (container,) = pod_of(name)["containers"]
    environ = {
        each["name"]: each.get("value", "") for each in container.get("env", []) if each["name"].startswith("EDGE_")
    }
    return load_config(tmp_path / "edge.toml", environ)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_each_document_is_as_the_published_schema_says(name, version):
    for each in documents(name):
        kubernetes_validate.validate(each, version, strict=True)


def test_the_schemas_refuse_what_is_wrong():
    wrong = of_kind("region", "PodDisruptionBudget") | {"spec": {"maxUnavailible": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_pod_runs_as_the_images_user_and_may_write_to_its_volume_alone(name):
    pod = pod_of(name)
    (container,) = pod["containers"]
    user = described(STEPS, "USER").partition(":")[0]
    assert pod["securityContext"]["runAsNonRoot"] and str(pod["securityContext"]["runAsUser"]) == user
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
    assert own["capabilities"] == {"drop": ["ALL"]} and pod["automountServiceAccountToken"] is False
    writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {described(STEPS, "VOLUME"), "/tmp"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_variable_is_made_of_earlier_ones_alone(name):
    # The kubelet leaves any other reference as it is written.
    (container,) = pod_of(name)["containers"]
    earlier = set()
    for each in container.get("env", []):
        assert set(re.findall(r"\$\((\w+)\)", each.get("value", ""))) <= earlier
        earlier.add(each["name"])


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_pod_is_given_the_time_that_its_node_takes_to_leave(name, tmp_path):
    pod, config = pod_of(name), config_of(name, tmp_path)
    (container,) = pod["containers"]
    waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = waits + CONTROL_DRAIN_SECONDS + config.devices.drain_seconds + LEAVE_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= needed
    probes = [container[each]["httpGet"]["path"] for each in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert probes == ["/livez", "/livez", "/readyz"]
    assert {each["containerPort"] for each in container["ports"]} == {config.devices.port, config.control.port}


@pytest.mark.parametrize(("name", "role"), [("origin", "origin"), ("region", "region")])
def test_the_configuration_in_a_manifest_is_a_nodes(name, role, tmp_path):
    config = config_of(name, tmp_path)
    assert config.role == role and config.data_dir == described(STEPS, "VOLUME")


def test_budgets_and_services_are_of_the_pods():
    for name in MANIFESTS:
        labels = of_kind(name, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
        assert of_kind(name, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
        assert of_kind(name, "Service")["spec"]["selector"].items() <= labels


@pytest.mark.parametrize("node", NODES)
def test_the_variables_of_compose_are_a_nodes_configuration(node):
    service = COMPOSE["services"][node]
    image = dict(re.findall(r"(EDGE_\w+)=(\S+)", described(STEPS, "ENV")))
    image.pop("EDGE_CONFIG")
    config, _ = load_settings(ROOT / "config" / "image.toml", image | service["environment"])
    assert config.role == ("origin" if node == "origin" else "region") and config.region == node
    assert (
        service["volumes"] == [f"{node}:{config.data_dir}"] and service["read_only"] and service["cap_drop"] == ["ALL"]
    )


def test_what_compose_names_is_there():
    for service in COMPOSE["services"].values():
        assert {each.partition(":")[0] for each in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
