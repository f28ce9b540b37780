"""A mail server for the test: aiosmtpd on a free port. Prints `port N`, then one line of JSON for each mail.

    mail_server.py plain|starttls CERTIFICATE_DIRECTORY

With `starttls` it makes a certificate for localhost (ca.pem in the directory), and takes mail only over TLS and only
from user `yinling` with password `tulip`. To `refused@example.org` it says 550, to `later@example.org` 451.
"""
import asyncio
import datetime
import email
import email.policy
import ipaddress
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Box:
    def __init__(self):
        self.peers = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 no such mailbox"
        if address.startswith("later@"):
            return "451 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "to": envelope.rcpt_tos, "from": str(mail["from"]), "subject": str(mail["subject"]), "id": mail["message-id"],
            "text": mail.get_content(), "tls": session.ssl is not None, "peer": session.peer[1],
            "auto": mail["auto-submitted"],
        }
        print(json.dumps(told), flush=True)
        return "250 OK"


def certificate(directory):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)

    def build(subject, issuer, key, signer, extensions):
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - day).not_valid_after(now + day)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = build("test ca", "test ca", ca_key, ca_key, [(x509.BasicConstraints(ca=True, path_length=None), True)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = build("localhost", "test ca", key, ca_key, [(names, False), (x509.BasicConstraints(False, None), True)])
    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(ca.public_bytes(pem))
    (directory / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    plain = serialization.NoEncryption()
    (directory / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def allowed(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"yinling", b"tulip"), handled=False)


async def main(manner, directory):
    box, more = Box(), {}
    if manner == "starttls":
        certificate(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "leaf.pem", directory / "key.pem")
        more = {"tls_context": context, "require_starttls": True, "authenticator": allowed, "auth_required": True}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, hostname="localhost", **more), "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(sys.argv[1], pathlib.Path(sys.argv[2])))
