"""An authority and a server's certificate for tests: ca.pem, server.pem and server.key in a folder.

python certificates.py FOLDER [HOST ...]; HOST is a name or an address, 127.0.0.1 and localhost
unless given. They are valid for a day.
"""
import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

folder, hosts = pathlib.Path(sys.argv[1]), sys.argv[2:] or ["127.0.0.1", "localhost"]
PEM, now = serialization.Encoding.PEM, datetime.datetime.now(datetime.timezone.utc)


def alternative(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def certificate(name, key, issuer, issuer_key, authority):
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    if not authority:
        names = x509.SubjectAlternativeName([alternative(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    signed = builder.sign(issuer_key, hashes.SHA256())
    return signed.public_bytes(PEM)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
authority = name("apus test authority")
(folder / "ca.pem").write_bytes(
    certificate(authority, authority_key, authority, authority_key, True))
(folder / "server.pem").write_bytes(
    certificate(name(hosts[0]), server_key, authority, authority_key, False))
(folder / "server.key").write_bytes(server_key.private_bytes(
    PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
