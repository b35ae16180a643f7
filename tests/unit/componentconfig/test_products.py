"""The configs of the three programs: KubeEdge's files, the printed defaults, the flags, and files that are no configs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import cloudcore.config
import cloudcore.errors
import edgecore.config
import edgecore.errors
import edgesite.config
from cloudcore.config import CloudCoreConfig
from componentconfig.flags import add_config_flags, answer
from componentconfig.reading import read
from componentconfig.rendering import render_default, render_min
from edgecore.config import EdgeCoreConfig
from edgesite.config import EdgeSiteConfig

HERE = Path(__file__).parent
PACKAGED = Path(__file__).parents[3] / "packaging" / "config"
ERRORS = (edgecore.errors.ConfigError, cloudcore.errors.ConfigError)


@dataclass(frozen=True)
class Product:
    root: type[Any]
    read_config: Callable[[Any], tuple[Any, list[str]]]


PRODUCTS = {
    "edgecore": Product(EdgeCoreConfig, edgecore.config.read_config),
    "cloudcore": Product(CloudCoreConfig, cloudcore.config.read_config),
    "edgesite": Product(EdgeSiteConfig, edgesite.config.read_config),
}
every_product = pytest.mark.parametrize("name", PRODUCTS)


@pytest.mark.parametrize("file", ["edgecore-kubeedge-1.2.yaml", "edgecore-keadm-1.2.yaml"])
def test_an_edgecore_file_of_kubeedge_is_read_as_it_is(file: str) -> None:
    config, (warning,) = edgecore.config.read_config(HERE / file)
    modules = config.modules
    assert (modules.edged.hostname_override, modules.edged.node_ip) == ("board-7", "192.0.2.7")
    assert modules.edgehub.websocket.server == "198.51.100.1:10000"
    assert (modules.edged.runtime_type, modules.edged.remote_runtime_endpoint) == ("podman", "")
    assert config.database.data_source == "/var/lib/bramble/edgecore.db"
    ignored, _, foreign = warning.lower().partition("; ")
    for key in ("database.drivername", "modules.dbtest", "modules.edged.cgroupdriver", "modules.edgehub.quic", "modules.edgemesh"):
        assert key in ignored
    for key in ("modules.edged.runtimetype", "modules.edged.dockeraddress", "modules.edged.remoteruntimeendpoint", "database.datasource"):
        assert key in foreign


@pytest.mark.parametrize("file", ["cloudcore-kubeedge-1.2.yaml", "cloudcore-keadm-1.2.yaml"])
def test_a_cloudcore_file_of_kubeedge_is_read_as_it_is(file: str) -> None:
    config, (warning,) = cloudcore.config.read_config(HERE / file)
    assert config.kube_api.kube_config == "/root/.kube/config"
    assert (config.modules.cloudhub.node_limit, config.modules.cloudhub.websocket.port) == (10, 10000)
    for key in ("kubeapiconfig.contenttype", "modules.cloudhub.tlscafile", "modules.cloudhub.unixsocket", "modules.edgecontroller.load"):
        assert key in warning.lower()


def test_an_edgesite_file_of_kubeedge_is_read_as_it_is() -> None:
    config, (warning,) = edgesite.config.read_config(HERE / "edgesite-kubeedge-1.2.yaml")
    assert config.modules.edgecontroller.node_update_frequency == 20
    for key in ("database", "kubeAPIConfig", "modules.edged", "modules.metamanager"):
        assert key in warning


def test_the_camel_case_of_later_releases_is_read() -> None:
    text = "modules: {cloudHub: {https: {port: 11002}, advertiseAddress: [192.0.2.1], dnsNames: [a.example]}, dynamicController: {}}"
    config, (warning,) = read(yaml.safe_load(text), CloudCoreConfig)
    assert config.modules.cloudhub.https.port == 11002
    assert config.modules.cloudhub.advertise_address == ("192.0.2.1",)
    assert warning.endswith("ignored: modules.dynamicController")


@every_product
def test_the_printed_defaults_read_back_as_the_defaults(name: str) -> None:
    root = PRODUCTS[name].root
    assert read(yaml.safe_load(render_default(root)), root) == (root(), [])
    assert read(yaml.safe_load(render_min(root())), root) == (root(), [])


@every_product
def test_the_packaged_file_is_the_printed_default(name: str) -> None:
    path = PACKAGED / f"{name}.yaml"
    assert path.read_text() == render_default(PRODUCTS[name].root)
    assert PRODUCTS[name].read_config(path) == (PRODUCTS[name].root(), [])


@every_product
def test_keys_are_printed_in_alphabetical_order_and_explained(name: str) -> None:
    root = PRODUCTS[name].root

    def check(tree: Any) -> None:
        if isinstance(tree, dict):
            assert list(tree) == sorted(tree, key=str.lower)
            for value in tree.values():
                check(value)

    check(yaml.safe_load(render_default(root)))
    lines = render_default(root).splitlines()[4:]
    for before, line in zip(["", *lines], lines, strict=False):
        if ":" in line and not line.lstrip().startswith(("#", "apiVersion", "kind:")):
            assert before.lstrip().startswith("#"), line


def test_the_minimal_config_keeps_what_differs_from_the_default() -> None:
    text = render_min(read({"modules": {"servicebus": {"enable": True}}}, EdgeCoreConfig)[0])
    assert yaml.safe_load(text)["modules"]["servicebus"] == {"enable": True}
    assert text.startswith("# With --minconfig ")


@pytest.mark.parametrize(
    ("flags", "start"),
    [
        (["--version"], "Bramble 1.2.3"),
        (["--version=raw"], "1.2.3"),
        (["--minconfig", "--defaultconfig"], "# With --minconfig "),
        (["--defaultconfig"], "# With --defaultconfig "),
        (["--version=false"], None),
        (["--config", "x"], None),
        ([], None),
    ],
)
def test_the_flags_answer_in_kubeedges_order(flags: list[str], start: str | None) -> None:
    parser = argparse.ArgumentParser()
    add_config_flags(parser, "/etc/x.yaml")
    text = answer(parser.parse_args(flags), EdgeCoreConfig, "1.2.3")
    assert text is None if start is None else text is not None and text.startswith(start)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"modules: [", "not a YAML document"),
        (b"modules: {}\nmodules: {}\n", "given twice"),
        (b"a: &a [x]\nb: [*a, *a]\n", "line 2: YAML aliases"),
        (b"a: " + b"[" * 5000, "nested deeper than 32 levels"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"#" * (1024 * 1024 + 1), "larger than 1048576 bytes"),
        (b"a: 1\n---\nb: 2\n", "not a YAML document"),
        (b"!!python/object/apply:os.system ['true']\n", "not a YAML document"),
        (b"a: \x01\n", "not a YAML document"),
        (b"a: !!bool maybe\n", "not a YAML document"),
        (b"a: !!int ''\n", "not a YAML document"),
        (b"a: !!timestamp never\n", "not a YAML document"),
        (b"- a\n", "config: expected a mapping"),
        (b"modules:\n\tedgehub: {}\n", "not a YAML document"),
        (b"{}: 1\n", None),
        (b"? [a, b]\n: 1\n", None),
    ],
)
@every_product
def test_a_file_that_is_no_config_is_refused(name: str, tmp_path: Path, content: bytes, text: str | None) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ERRORS, match=text):
        PRODUCTS[name].read_config(path)


@every_product
def test_a_file_that_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ERRORS, match=r"absent\.yaml: no such file"):
        PRODUCTS[name].read_config(tmp_path / "absent.yaml")
    with pytest.raises(ERRORS, match="cannot be read: Is a directory"):
        PRODUCTS[name].read_config(tmp_path)


@every_product
def test_an_empty_file_is_the_defaults(name: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbf# nothing yet\n")
    assert PRODUCTS[name].read_config(tmp_path / "c.yaml") == (PRODUCTS[name].root(), [])
