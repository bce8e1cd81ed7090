"""The address that a request came from, as far as it can be believed.

API Gateway sees the address that connected to it. Where proxies stand before it, that is the last proxy,
and the caller's address is in a header. Anybody can send any header, so none is believed unless the
deployment's settings say so:

- `X-Forwarded-For` is a list. Each proxy appends the address that connected to it, and API Gateway does so
  last. With n trusted proxies the caller is n places left of API Gateway's own entry; what is left of that
  was sent by the caller and is not looked at.
- `CloudFront-Viewer-Address` is `ip:port`, in which IPv6 stands without brackets. CloudFront replaces
  what a caller sent under this name. Format: "Add CloudFront request headers" in the CloudFront
  developer guide.

A header that is missing, too short or malformed is passed over, and in the end it is the address that API
Gateway saw. Nothing here raises.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from engine.platform.config import Settings

FORWARDED_FOR = "x-forwarded-for"
_WRITTEN = (
    r"\[(?P<bracketed>[0-9A-Fa-f:.]+)\](:[0-9]{1,5})?"
    r"|(?P<with_port>[0-9.]+):[0-9]{1,5}"
    r"|(?P<bare>[0-9A-Fa-f:.]+)"
)


def of(seen: str, headers: Mapping[str, str], settings: Settings) -> str:
    """The address of the caller; `seen` is the one that API Gateway saw, `headers` are in lower case."""
    viewer = None
    if settings.viewer_address_header:
        viewer = _with_port(headers.get(settings.viewer_address_header, ""))
    if viewer is None and settings.trusted_proxies:
        viewer = _forwarded(headers.get(FORWARDED_FOR, ""), seen, settings.trusted_proxies)
    return viewer or parsed(seen) or seen


def parsed(text: str) -> str | None:
    """The address in `text`, with or without brackets and port, in its shortest form; None for any other
    text. IPv4 within IPv6 (`::ffff:192.0.2.1`) is given as IPv4.
    """
    found = re.fullmatch(_WRITTEN, text.strip())
    if found is None:
        return None
    try:
        address = ip_address(found["bracketed"] or found["with_port"] or found["bare"])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _with_port(text: str) -> str | None:
    host, _, port = text.strip().rpartition(":")
    is_port = port.isascii() and port.isdigit()
    return (parsed(host) if is_port else None) or parsed(text)


def _forwarded(chain: str, seen: str, proxies: int) -> str | None:
    """The entry `proxies` places left of API Gateway's own, which is added where it is missing."""
    entries = chain.rsplit(",", proxies + 1)
    if parsed(entries[-1]) != parsed(seen):
        entries.append(seen)
    return parsed(entries[-1 - proxies]) if len(entries) > proxies else None
