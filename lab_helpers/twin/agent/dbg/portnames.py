"""Names of ports, registered with IANA, that the monitor writes behind their numbers.

Those of services that pods offer. Names that happen to be registered for ephemeral ports are left out: there the
number stands alone.
"""

from __future__ import annotations

from typing import Final

__all__ = ["port_name"]

_BOTH: Final = {
    20: "ftp-data",
    21: "ftp",
    22: "ssh",
    25: "smtp",
    53: "domain",
    67: "bootps",
    80: "http",
    88: "kerberos",
    110: "pop3",
    123: "ntp",
    179: "bgp",
    389: "ldap",
    443: "https",
    636: "ldaps",
    3000: "hbci",
    3306: "mysql",
    5000: "commplex-main",
    5432: "postgresql",
    5672: "amqp",
    6443: "sun-sr-https",
    8000: "irdmi",
    8080: "http-alt",
    8081: "sunproxyadmin",
    8443: "pcsync-https",
    8472: "otv",
    9000: "cslistener",
    9090: "websm",
    9092: "XmlIpcRegSvc",
    9100: "hp-pdl-datastr",
    9200: "wap-wsp",
    11211: "memcache",
}
_TCP: Final = {
    143: "imap",
    993: "imaps",
    2379: "etcd-client",
    2380: "etcd-server",
    6379: "redis",
    9093: "copycat",
    27017: "mongodb",
}
_UDP: Final = {4789: "vxlan", 6081: "geneve", 9901: "enrp"}


def port_name(number: int, protocol: str) -> str:
    """``8080(http-alt)``; the number alone when it has no name. ``protocol``: tcp or udp."""
    name = _BOTH.get(number) or (_TCP if protocol == "tcp" else _UDP).get(number)
    return f"{number}({name})" if name else str(number)
