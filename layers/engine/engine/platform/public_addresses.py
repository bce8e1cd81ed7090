"""Which IP addresses a call to the outside may reach: those of the public Internet alone."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

TRANSLATED = tuple(ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"))
"""IPv6 networks whose addresses stand for IPv4 ones, private ones too."""


def read(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, without its zone; an IPv4 one that is written as IPv6 as what it is; None
    where there is none, or one that another address is behind.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if any(address in net for net in TRANSLATED):
            return None
    return address


def is_address(text: str) -> bool:
    """Whether `text` is an IP address, and not a name."""
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(text: str) -> bool:
    """Whether `text` is an address of one machine of the public Internet."""
    address = read(text)
    return address is not None and address.is_global and not address.is_multicast
