"""Renders the chart with Helm's own engine and checks what comes out; writes the bills of materials.

    check.py UPF_BINARY TARGET_DIRECTORY

`cargo xtask deploy` runs it in an environment of its own (deploy/requirements.txt).
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

# The schemas of Kubernetes are loaded by a package that is deprecated there.
warnings.filterwarnings("ignore", category=DeprecationWarning)

import helm_python  # noqa: E402
import jsonschema  # noqa: E402
import kubernetes_validate  # noqa: E402
import yaml  # noqa: E402
from helm_python.chart import Chart, lint  # noqa: E402

HERE = pathlib.Path(__file__).parent
CHART = HERE / "helm" / "upf"
KUBERNETES = "1.30"
# What the device plugin would set.
DEVICES = {
    "PCIDEVICE_INTEL_COM_SRIOV_N3": "0000:03:02.0",
    "PCIDEVICE_INTEL_COM_SRIOV_N6": "0000:03:02.1",
}
CUSTOM = {"NetworkAttachmentDefinition", "ServiceMonitor"}

upf = sys.argv[1]
target = pathlib.Path(sys.argv[2])


def render(values):
    """The documents that a release named `edge` consists of."""
    with Chart.load(str(CHART)) as chart:
        chart.validate_schema(chart.merge_values(values))
        files = chart.render(values, name="edge", namespace="ran")
    documents = []
    for name, text in files.items():
        if not name.endswith("NOTES.txt"):
            documents += [document for document in yaml.safe_load_all(text) if document]
    return documents


def one(documents, kind):
    """The only document of that kind."""
    found = [document for document in documents if document["kind"] == kind]
    assert len(found) == 1, (kind, len(found))
    return found[0]


def check_config(config, container):
    """The configuration that the pod will see, by the UPF itself and by its schema."""
    jsonschema.validate(yaml.safe_load(config), schema)
    environment = dict(os.environ, **DEVICES)
    for variable in container.get("env", []):
        # What stands in no file is the pod's address.
        environment[variable["name"]] = variable.get("value", "10.244.1.9")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(config)
        file.flush()
        outcome = subprocess.run(
            [upf, "check", "--json", file.name],
            capture_output=True, text=True, check=False, env=environment,
        )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return json.loads(outcome.stdout)["warnings"]


def check_pod(stateful_set, values):
    """Privileges, resources and attachments of the pod."""
    template = stateful_set["spec"]["template"]
    container = template["spec"]["containers"][0]
    security = container["securityContext"]
    wanted = values.get("capabilities", [])
    assert security["capabilities"]["drop"] == ["ALL"]
    assert security["capabilities"].get("add", []) == wanted
    assert security["readOnlyRootFilesystem"] is True
    user = values.get("runAsUser", 65532)
    assert security["runAsNonRoot"] is (user != 0)
    # Without this the kernel ignores the file capabilities of a user that is not root.
    assert security["allowPrivilegeEscalation"] is (user != 0 and bool(wanted))
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests == limits, "the pod must be Guaranteed"
    assert str(requests["cpu"]).isdigit(), requests
    networks = values.get("networks", {})
    for network in networks.values():
        if network.get("resourceName"):
            assert requests[network["resourceName"]] == "1", requests
    attached = json.loads(template["metadata"]["annotations"].get("k8s.v1.cni.cncf.io/networks", "[]"))
    assert [one["interface"] for one in attached] == sorted(networks), attached
    return attached


def check(name, values):
    """One set of values."""
    report = lint(str(CHART), values, strict=True)
    assert not report["errors"], report
    documents = render(values)
    for document in documents:
        assert document["metadata"]["labels"]["app.kubernetes.io/instance"] == "edge"
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
    attached = check_pod(one(documents, "StatefulSet"), values)
    definitions = {
        document["metadata"]["name"]: json.loads(document["spec"]["config"])
        for document in documents
        if document["kind"] == "NetworkAttachmentDefinition"
    }
    for attachment in attached:
        assert definitions[attachment["name"]]["type"], definitions
    config = one(documents, "ConfigMap")["data"]["upf.yaml"]
    container = one(documents, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    told = check_config(config, container)
    print(f"  {name}: {len(documents)} documents, {len(told)} warnings of upf check")
    return documents


def refused(what, values, words):
    """Values that must not render."""
    try:
        render(values)
    except helm_python.HelmError as error:
        assert words in str(error), f"{what}: {error}"
        return
    raise AssertionError(f"{what} was not refused")


def bill_of_materials(source, file, kind):
    """The components of that kind, by syft; the bill as CycloneDX stands in the file then."""
    syft = pathlib.Path(sys.executable).parent / "syft"
    cataloger = {"cargo": "rust-cargo-lock-cataloger", "deb": "dpkg-db-cataloger"}[kind]
    command = [syft, "scan", source, "--quiet", "--output", f"cyclonedx-json={file}"]
    command += ["--override-default-catalogers", cataloger]
    environment = dict(os.environ, SYFT_CHECK_FOR_APP_UPDATE="false")
    subprocess.run(command, check=True, env=environment)
    bill = json.loads(file.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    return {
        (one["name"], one["version"])
        for one in bill["components"]
        if one.get("purl", "").startswith(f"pkg:{kind}/")
    }


schema = json.loads(subprocess.check_output([upf, "config", "schema"]))
jsonschema.Draft202012Validator.check_schema(schema)
example = yaml.safe_load((HERE.parent / "upf.example.yaml").read_text())
jsonschema.validate(example, schema)
for path, value, key in [
    (("pfcp",), {}, "address"),
    (("ports", 0, "device"), "eth1", "device"),
    (("ports", 0, "mtu"), 100, "mtu"),
    (("interfaces", 0, "role"), "n7", "role"),
    (("limits", "sesions"), 5, "limits"),
]:
    wrong = json.loads(json.dumps(example))
    place = wrong
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    try:
        jsonschema.validate(wrong, schema)
    except jsonschema.ValidationError as error:
        assert key in str(error.json_path) + error.message, error
    else:
        raise AssertionError(f"{path} = {value} is good by the schema")
print("the JSON Schema takes upf.example.yaml, and refuses 5 mistakes")

print("the chart:")
examples = sorted((HERE / "helm" / "examples").glob("*.yaml"))
assert len(examples) == 4
for file in examples:
    check(file.name, yaml.safe_load(file.read_text()))
demo = yaml.safe_load((HERE / "helm" / "examples" / "demo.yaml").read_text())
whole = check(
    "monitored",
    {
        **demo,
        "api": {"port": 9090, "tokensSecret": "who"},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "podDisruptionBudget": {"enabled": True},
    },
)
container = one(whole, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
for probe, place in [("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")]:
    wanted = {"path": f"/health/{place}", "port": "api", "scheme": "HTTP"}
    assert container[probe]["httpGet"] == wanted
monitor = one(whole, "ServiceMonitor")
assert monitor["metadata"]["labels"]["release"] == "prometheus"
assert monitor["spec"]["endpoints"][0]["port"] == "api"
assert one(whole, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 0

encrypted = check("encrypted", {**demo, "api": {"port": 9090, "tokensSecret": "who", "tlsSecret": "cert"}})
pod = one(encrypted, "StatefulSet")["spec"]["template"]["spec"]
assert pod["securityContext"]["fsGroup"] == 65532
assert pod["containers"][0]["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
named = {variable["name"] for variable in pod["containers"][0]["env"]}
assert "UPF_API__TLS__KEY" in named and "UPF_API__PLAINTEXT" not in named, named
secrets = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
assert secrets == {"who", "cert"}, secrets

templates = set()
for level in ["info", "debug"]:
    values = {"restartOnChange": False, "config": {**demo["config"], "log": {"level": level}}}
    kept = check(f"changed to {level} while it runs", values)
    templates.add(json.dumps(one(kept, "StatefulSet")["spec"]["template"]))
assert len(templates) == 1, "a change of the configuration restarts the pod"

refused("no configuration", {}, "config.pfcp")
refused("half a processor", {**demo, "resources": {"cpu": 0.5, "memory": "1Gi"}}, "cpu")
refused("a capability that is not needed", {**demo, "capabilities": ["SYS_ADMIN"]}, "capabilities")
refused("a key that there is not", {**demo, "replicas": 3}, "replicas")
refused("an end that is too soon", {**demo, "terminationGracePeriodSeconds": 10}, "release_grace_s")
refused("a network from nowhere", {**demo, "networks": {"n3": {"enabled": True}}}, "networks.n3.existing")
refused("an API for everybody", {**demo, "api": {"port": 9090}}, "api.tokensSecret")
refused("a scrape of nothing", {**demo, "serviceMonitor": {"enabled": True}}, "api.port")
sockets = yaml.safe_load((HERE / "helm" / "examples" / "kernel.yaml").read_text())
refused("a packet socket without its capability", {**sockets, "capabilities": ["NET_ADMIN"]}, "needs NET_RAW")
twice = {name: {"enabled": True, "interface": "net1", "cni": {"type": "macvlan"}} for name in ["n3", "n6"]}
refused("two networks on one interface", {**demo, "networks": twice}, "networks.n6.interface")
part = {"cpu": 2, "memory": "1Gi", "hugepages": {"size": "1Gi"}}
refused("half a page", {**demo, "resources": part}, "resources.hugepages.amount")
print("  11 mistakes in values are refused")

lock = (HERE.parent / "Cargo.lock").read_text()
locked = set(re.findall(r'^name = "(.*)"\nversion = "(.*)"$', lock, re.MULTILINE))
crates = bill_of_materials(f"file:{HERE.parent / 'Cargo.lock'}", target / "upf.cdx.json", "cargo")
assert crates == locked, crates ^ locked
print(f"{target / 'upf.cdx.json'}: {len(crates)} crates")
image = target / "image" / "rootfs"
if image.exists():
    packages = bill_of_materials(f"dir:{image}", target / "image.cdx.json", "deb")
    assert {name for name, _ in packages} >= {"libc6", "ibverbs-providers"}, packages
    print(f"{target / 'image.cdx.json'}: {len(packages)} packages of Debian")
