"""Which addresses a message may go to."""

import pytest

from edge.messages.addresses import address_fault, parse_networks

PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
REFUSED = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1"),
    *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fc00::1", "ff02::1", "2001:db8::1", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1.1.1.1", "2002:7f00:1::1", "2002:a9fe:a9fe::", "2001:0:7f00:1::1", "::127.0.0.1"),
    *("", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1"),  # numeric forms alone are judged
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_reached(address):
    assert address_fault(address, []) == ""


@pytest.mark.parametrize("address", REFUSED)
def test_everything_else_is_refused(address):
    assert address_fault(address, []) != ""


def test_what_is_allowed_is_reached_and_its_neighbours_are_not():
    allowed = parse_networks(["10.20.0.0/16", "fd00::/8", "127.0.0.1"])
    for address in ("10.20.0.7", "::ffff:10.20.0.7", "fd00:ec2::254", "127.0.0.1"):
        assert address_fault(address, allowed) == ""
    for address in ("10.21.0.7", "127.0.0.2", "169.254.169.254", "::1"):
        assert "webhooks.allowed_networks" in address_fault(address, allowed)
