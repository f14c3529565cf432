"""Services."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.tools.kubectl.describing.pages import Page, labels_text

Body = Mapping[str, Any]


def service(page: Page, body: Body, slices: Sequence[Body]) -> None:
    """A Service; `slices` are its EndpointSlices."""
    spec, status = body["spec"], body.get("status") or {}
    page.head(body)
    page.tags(body)
    page.line(0, f"Selector:\t{labels_text(spec.get('selector'))}")
    page.line(0, f"Type:\t{spec.get('type', 'ClusterIP')}")
    if spec.get("ipFamilyPolicy"):
        page.line(0, f"IP Family Policy:\t{spec['ipFamilyPolicy']}")
    families = spec.get("ipFamilies") or []
    page.line(0, f"IP Families:\t{','.join(families) or '<none>'}")
    page.line(0, f"IP:\t{spec.get('clusterIP', '')}")
    page.line(0, f"IPs:\t{','.join(spec.get('clusterIPs') or []) or '<none>'}")
    if spec.get("externalIPs"):
        page.line(0, f"External IPs:\t{','.join(spec['externalIPs'])}")
    if spec.get("loadBalancerIP"):
        page.line(0, f"Desired LoadBalancer IP:\t{spec['loadBalancerIP']}")
    if spec.get("externalName"):
        page.line(0, f"External Name:\t{spec['externalName']}")
    ingress = (status.get("loadBalancer") or {}).get("ingress") or []
    if ingress:
        page.line(0, f"LoadBalancer Ingress:\t{', '.join(_ingress(item) for item in ingress)}")
    for port in spec.get("ports") or []:
        name = port.get("name") or "<unset>"
        protocol = port.get("protocol", "TCP")
        page.line(0, f"Port:\t{name}\t{port.get('port')}/{protocol}")
        page.line(0, f"TargetPort:\t{port.get('targetPort', port.get('port'))}/{protocol}")
        if port.get("nodePort"):
            page.line(0, f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
        page.line(0, f"Endpoints:\t{_endpoints(slices, port.get('name') or '')}")
    page.line(0, f"Session Affinity:\t{spec.get('sessionAffinity', 'None')}")
    if spec.get("externalTrafficPolicy"):
        page.line(0, f"External Traffic Policy:\t{spec['externalTrafficPolicy']}")
    if spec.get("internalTrafficPolicy"):
        page.line(0, f"Internal Traffic Policy:\t{spec['internalTrafficPolicy']}")
    if spec.get("healthCheckNodePort"):
        page.line(0, f"HealthCheck NodePort:\t{spec['healthCheckNodePort']}")
    if spec.get("loadBalancerSourceRanges"):
        page.line(0, f"LoadBalancer Source Ranges:\t{','.join(spec['loadBalancerSourceRanges'])}")


def _ingress(item: Body) -> str:
    text = str(item.get("ip") or item.get("hostname") or "")
    return f"{text} ({item['ipMode']})" if item.get("ipMode") else text


def _endpoints(slices: Sequence[Body], name: str) -> str:
    found = []
    for piece in slices:
        ports = piece.get("ports") or []
        for port in ports:
            if (port.get("name") or "") != name:
                continue
            for endpoint in piece.get("endpoints") or []:
                if (endpoint.get("conditions") or {}).get("ready") is False:
                    continue
                for address in endpoint.get("addresses") or []:
                    shown = f"[{address}]" if ":" in address else address
                    found.append(f"{shown}:{port.get('port')}")
        if not ports and not name:
            found += [
                address for endpoint in piece.get("endpoints") or [] for address in endpoint.get("addresses") or []
            ]
    text = ",".join(found[:3])
    return f"{text} + {len(found) - 3} more..." if len(found) > 3 else text
