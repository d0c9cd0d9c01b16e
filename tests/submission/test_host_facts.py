"""The machine's own fields, from files as Linux has them."""

from pathlib import Path

import pytest

from qutiperf.submission import host_facts

# The hardware of a node that mlperf-sysinfo 1.0.0a12 probes (ENDPOINTS_NODE_FIELDS in its output.py);
# its collection fetches scripts from the network, so it is not run here.
SYSINFO = {
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "host_processor_vcpu_count",
    "host_memory_capacity",
    "host_memory_configuration",
    "host_network_card_count",
    "host_networking",
    "host_storage_capacity",
    "host_storage_type",
}
NEEDS_ROOT = {"host_memory_configuration"}  # from dmidecode


def machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sockets of two cores with two threads each, an SSD, a disk and a partition table's loop device."""
    blocks = [
        f"processor : {number}\nphysical id : {number // 4}\ncore id : {number % 2}\n" for number in range(8)
    ]
    (root / "cpuinfo").write_text("\n".join(blocks))
    for name, text in {
        "cache/index0/level": "1",
        "cache/index0/type": "Data",
        "cache/index0/size": "32K",
        "cache/index1/level": "2",
        "cache/index1/type": "Unified",
        "cache/index1/size": "512K",
        "block/nvme0n1/size": "2000000000",
        "block/sda/size": "2000000000",
        "block/sda/queue/rotational": "1",
        "block/loop0/size": "2000000000",
        "block/sr0/size": "0",
        "net/eth0/device/x": "",
        "net/eth0/speed": "10000",
        "net/lo/speed": "",
        "freq": "3700000",
        "release": 'NAME="X"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, path in {
        "_CPUINFO": "cpuinfo",
        "_CACHES": "cache",
        "_BLOCKS": "block",
        "_NETWORKS": "net",
        "_LARGEST_FREQUENCY": "freq",
        "_RELEASE": "release",
    }.items():
        monkeypatch.setattr(host_facts, name, root / path)


def test_every_field_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path, monkeypatch)
    fields = host_facts.host_fields()
    assert {
        name: fields[name] for name in fields if name.startswith("host_processor_") and "model" not in name
    } == {
        "host_processor_core_count": "2",
        "host_processor_vcpu_count": "8",
        "host_processor_frequency": "3700 MHz",
        "host_processor_caches": "L1d 32K, L2 512K",
    }
    assert fields["host_processors_per_node"] == "2"
    assert fields["host_storage_capacity"] == "2048 GB"
    assert fields["host_storage_type"] == "HDD, NVMe SSD"
    assert fields["host_networking"] == "Ethernet 10000 Mbit/s"
    assert fields["host_network_card_count"] == "1"
    assert fields["operating_system"].startswith("Ubuntu 24.04 LTS, Linux ")


def test_it_fills_what_mlperf_sysinfo_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path, monkeypatch)
    assert SYSINFO - set(host_facts.host_fields()) == NEEDS_ROOT


def test_what_the_machine_does_not_report_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_CPUINFO", "_CACHES", "_BLOCKS", "_NETWORKS", "_LARGEST_FREQUENCY", "_RELEASE"):
        monkeypatch.setattr(host_facts, name, tmp_path / "none")
    fields = host_facts.host_fields()
    assert set(fields) <= {
        "host_processor_model_name",
        "host_processor_core_count",
        "host_memory_capacity",
        "operating_system",
    }
    assert all(fields.values())
