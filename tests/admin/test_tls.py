# SPDX-License-Identifier: Apache-2.0
"""Listeners that end TLS and pools that speak it, from the control side: certificates in use, files that change, configurations
with bad ones."""
import os
import re
import shutil
import signal
import time

import certificates
import test_metrics
from daemon import POOLS, Daemon, config
from test_cli import expect, wait

LISTENERS = """tls = {{ handshake_threads = 1; handshakes = 64; }};
{admin}
listeners = (
  {{ name = "shop"; address = "203.0.113.20"; port = 443; protocol = "https"; pool = "web";
     tls = {{ certificates = ( {{ cert = "{tls}/shop.pem"; key = "{tls}/shop.key"; }},
                               {{ cert = "{tls}/wild.pem"; key = "{tls}/wild.key"; }} ); }}; }},
  {{ name = "mail"; address = "2001:db8:53::20"; port = 993; protocol = "tls"; pool = "six";
     tls = {{ certificates = ( {{ cert = "{tls}/shop-rsa.pem"; key = "{tls}/shop-rsa.key"; }} ); }}; }} );"""

SAFE = """
  {{ name = "safe"; backends = ( {{ address = "10.9.0.11"; port = 8443; }} );
     tls = {{ server_name = "shop.example"; ca = "{tls}/clients.pem"; cert = "{tls}/client.pem"; key = "{tls}/client.key"; }}; }} );"""
SAFE_LISTENER = """tls = {{ handshake_threads = 1; handshakes = 64; }};
{admin}
listeners = ( {{ name = "safe"; address = "203.0.113.20"; port = 993; protocol = "tcp"; pool = "safe"; }} );"""


def text_of(tls, port=None):
    return enlarged(config(more=LISTENERS.format(tls=tls, admin=test_metrics.listen(port) if port else "")))


def safe_text_of(tls, port):
    pools = POOLS.rpartition(" );")[0] + "," + SAFE.format(tls=tls)
    return enlarged(config(pools=pools, more=SAFE_LISTENER.format(admin=test_metrics.listen(port))))


def enlarged(text):
    return text.replace('memory = "128M"', 'memory = "512M"').replace("clients = 1024;", "clients = 1024; sessions = 1024;")


def put(tls, of, to):
    """Another certificate and key of a pair, each at once."""
    for end in ("key", "pem"):
        shutil.copy2(tls / f"{of}.{end}", tls / f"new.{end}")
        os.replace(tls / f"new.{end}", tls / f"{to}.{end}")


def names(d, listener):
    (row,) = [row for row in d.show("listeners") if row["name"] == listener]
    return [c["names"] for c in row["certificates"]]


def certificates_change(t, folder):
    tls = folder / "tls"
    tls.mkdir()
    certificates.make(tls)
    certificates.certificate(tls, "next", ["next.example"])
    port = test_metrics.free_port()
    with Daemon(folder, text_of(tls, port)) as d:
        with t("show listeners: the certificates in use"):
            assert names(d, "shop") == [["shop.example", "www.shop.example"], ["*.shop.example"]], names(d, "shop")
            assert names(d, "mail") == [["shop.example"]], names(d, "mail")
        with t("show http and metrics: requests under way"):
            assert [row["requests_active"] for row in d.show("http")] == [0], d.show("http")
            assert '\npenstock_http_requests_active{worker="0"} 0\n' in test_metrics.get(port)[2]
        with t("show tls and metrics: handshakes by version, kind and cipher; what the threads have to do"):
            (row,), page = d.show("tls"), test_metrics.get(port)[2]
            assert row["handshake_seconds"] == 0.0 and row["handshakes_active"] == row["handshakes_waiting"] == 0, row
            assert '\npenstock_tls_handshakes_waiting{worker="0"} 0\n' in page
            assert '\npenstock_tls_handshake_seconds_total{worker="0"} 0.000000\n' in page
            kinds = [f"{kind}_{version}" for kind in ("full", "resumed", "backends") for version in ("tls12", "tls13")]
            for name in kinds + ["cipher_aes_128_gcm", "cipher_aes_256_gcm", "cipher_chacha20_poly1305"]:
                assert row[name] == 0 and f'\npenstock_tls_{name}_total{{worker="0"}} 0\n' in page, name
            out = expect(d.cli("show", "tls"), 0).stdout
            assert "WAITING" in out and "SPENT-S" in out, out
        with t("metrics: until when each is good"):
            expiry = dict(re.findall(r"^penstock_tls_certificate_expiry_seconds\{(.*)\} (\d+)$", test_metrics.get(port)[2], re.M))
            until = int(expiry[f'service="shop",certificate="{tls}/wild.pem"'])
            assert len(expiry) == 3 and abs(until - time.time() - 30 * 86400) < 300, expiry
        with t("new files are in use soon, without a new generation"):
            put(tls, "next", "shop")
            wait(lambda: names(d, "shop")[0] == ["next.example"])
            assert d.generation() == 1 and f"certificate-reloaded listener=shop file={tls}/shop.pem" in d.output(), d.output()
        with t("files that do not belong together are refused, with both names said"):
            shutil.copy2(tls / "other.key", tls / "wild.key")
            wait(lambda: "certificate-refused" in d.output())
            assert f'listener=shop file={tls}/wild.key reason="does not belong to the certificate"' in d.output(), d.output()
            assert names(d, "shop")[1] == ["*.shop.example"]
        with t("... by an apply, too, with the line; what runs goes on"):
            line = d.config.read_text().split("wild.key")[0].count("\n") + 1
            out = expect(d.cli("apply", d.config), 1, f":{line}: listeners.shop.tls.certificates[1].key: \"{tls}/wild.key\" does not")
            assert d.generation() == 1 and names(d, "shop")[1] == ["*.shop.example"], out
        with t("... and by SIGHUP"):
            d.process.send_signal(signal.SIGHUP)
            wait(lambda: "was not applied, generation 1 goes on" in d.output())
        with t("SIGHUP reads good files at once"):
            put(tls, "shop-rsa", "wild")
            d.process.send_signal(signal.SIGHUP)
            wait(lambda: names(d, "shop")[1] == ["shop.example"], 1.5)
        with t("check says the same as apply"):
            (tls / "shop.key").chmod(0o640)
            expect(d.cli("check", d.config), 1, f'"{tls}/shop.key" is open to others than its owner (mode 0640)')
        with t("a listener that does not end TLS any more"):
            d.config.write_text(enlarged(config()) + "tls = { handshake_threads = 1; handshakes = 64; };")
            expect(d.cli("apply", d.config), 0)
            assert d.show("listeners") == []
        assert d.stop() == 0


def expiries(port):
    return re.findall(r"^penstock_tls_certificate_expiry_seconds\{(.*)\} \d+$", test_metrics.get(port)[2], re.M)


def towards_backends(t, folder):
    tls = folder / "tls"
    tls.mkdir()
    certificates.make(tls)
    port = test_metrics.free_port()
    text = safe_text_of(tls, port)
    with Daemon(folder, text) as d:
        with t("metrics: until when the certificate is good that backends are shown"):
            assert expiries(port) == [f'pool="safe",certificate="{tls}/client.pem"'], expiries(port)
        with t("new files of a pool are in use soon, without a new generation"):
            put(tls, "shop", "client")
            wait(lambda: f"certificate-reloaded pool=safe file={tls}/client.pem" in d.output())
            assert d.generation() == 1
        with t("authorities that are none are refused"):
            shutil.copy2(tls / "text.pem", tls / "clients.pem")
            wait(lambda: f'pool=safe file={tls}/clients.pem reason="has no certificates in PEM' in d.output())
        with t("... by an apply, too, with the line"):
            line = text.split("clients.pem")[0].count("\n") + 1
            expect(d.cli("apply", d.config), 1, f':{line}: pools.safe.tls.ca: "{tls}/clients.pem" has no certificates in PEM')
        with t("diff: settings of TLS are settings like others"):
            shutil.copy2(tls / "shop.pem", tls / "clients.pem")
            d.config.write_text(text.replace('server_name = "shop.example"', 'server_name = "wiki.example"; minimum = "1.3"'))
            out = expect(d.cli("diff", d.config), 0).stdout
            assert "~ pool safe: tls.server_name shop.example -> wiki.example\n~ pool safe: tls.minimum 1.2 -> 1.3\n" in out, out
            expect(d.cli("apply", d.config), 0)
        with t("a pool that does not speak TLS any more"):
            d.config.write_text(re.sub(r"(?m)^ *tls = \{ server_name.*\}; \}", "}", text))
            expect(d.cli("apply", d.config), 0)
            assert expiries(port) == [], expiries(port)
        assert d.stop() == 0


TESTS = (certificates_change, towards_backends)
