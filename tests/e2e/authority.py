"""A certificate authority of our own, and every kind of wrong certificate.

OpenSSL's command line makes them: 10 ms each with keys on curve P-256.
"""

import pathlib
import threading

from netns import run

KEY_OPTIONS = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Certificate:
    """A certificate with its key, as the two paths servers ask for."""

    def __init__(self, cert, key):
        self.cert = pathlib.Path(cert)
        self.key = pathlib.Path(key)


class Authority:
    """One certificate that signs what it is asked to sign: a root, or an
    intermediate one when there is a parent."""

    def __init__(self, folder, name, parent=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.root = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        self._count = 0
        self._counting = threading.Lock()
        argv = ["openssl", "req", "-x509", *KEY_OPTIONS, "-subj", f"/CN={name}"]
        argv += ["-keyout", self._key, "-out", self.root, "-days", "3650"]
        argv += ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        if parent is not None:
            argv += ["-CA", parent.root, "-CAkey", parent._key]
        run(argv)

    def issue(
        self,
        *names,
        subject=None,
        alt=None,
        usage="serverAuth",
        clock=None,
        days=30,
        extensions=(),
    ):
        """A certificate for DNS names, signed by this authority.

        subject  the CN when it is not the first name
        alt      text of the subjectAltName when it is not the names;
                 "" leaves the extension out
        usage    extended key usage
        clock    a faketime offset such as "-40d": the certificate is made as
                 if at that time
        days     how long it lasts
        extensions  more of them, in OpenSSL's words
        """
        if alt is None:
            alt = ",".join(f"DNS:{name}" for name in names)
        stem = self._next_stem()
        extensions = ["basicConstraints=critical,CA:FALSE", *extensions]
        extensions.append(f"extendedKeyUsage={usage}")
        if alt:
            extensions.append(f"subjectAltName={alt}")
        argv = ["openssl", "req", "-x509", *KEY_OPTIONS]
        argv += ["-CA", self.root, "-CAkey", self._key, "-days", str(days)]
        argv += ["-subj", f"/CN={subject or names[0]}"]
        for extension in extensions:
            argv += ["-addext", extension]
        made = Certificate(f"{stem}.pem", f"{stem}.key")
        argv += ["-out", made.cert, "-keyout", made.key]
        if clock:
            argv = ["faketime", "-f", clock, *argv]
        run(argv)
        return made

    def _next_stem(self):
        with self._counting:
            self._count += 1
            return self.folder / f"leaf{self._count}"


def self_signed(folder, name):
    """A certificate that nobody but itself vouches for."""
    stem = pathlib.Path(folder) / f"self-signed-{name}"
    made = Certificate(f"{stem}.pem", f"{stem}.key")
    run(
        ["openssl", "req", "-x509", *KEY_OPTIONS, "-subj", f"/CN={name}"]
        + ["-keyout", made.key, "-out", made.cert, "-days", "30"]
        + ["-addext", f"subjectAltName=DNS:{name}"]
    )
    return made


def der_dns_names(*names):
    """A subjectAltName in DER, for bytes that the command line can't write."""
    entries = b"".join(bytes([0x82, len(n)]) + n for n in names)
    sequence = bytes([0x30, len(entries)]) + entries
    return "DER:" + sequence.hex(":")
