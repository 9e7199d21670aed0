"""A small MySQL client: text protocol, native and caching_sha2 logins, TLS."""
import contextlib
import hashlib
import socket
import ssl
import struct

from .base import USERS


class MyError(Exception):
    """An error packet from the server."""

    def __init__(self, code, state, msg):
        super().__init__("ERROR %d (%s): %s" % (code, state, msg))
        self.code, self.state, self.msg = code, state, msg


class ConnError(Exception):
    """No usable connection; kind is refused|timeout|closed|reset|unreachable|other."""

    def __init__(self, kind, where, exc=None):
        super().__init__("connection %s at %s%s" % (kind, where, (": %s" % exc) if exc else ""))
        self.kind, self.where = kind, where
        self.errno = getattr(exc, "errno", None)


class Conn:
    def __init__(self, unix=None, host=None, port=3306, user="root", password=None, db=None,
                 timeout=10.0, connect_timeout=None, tls=None):
        self.where = unix or "%s:%s" % (host, port)
        self.timeout = timeout
        self.sock = None
        self.seq = 0
        self.buf = b""
        self.stage = "connect"
        if password is None:
            password = USERS.get(user, "")
        try:
            if unix:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.settimeout(connect_timeout or timeout)
                self.sock.connect(unix)
            else:
                self.sock = socket.create_connection((host, port), connect_timeout or timeout)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.settimeout(connect_timeout or timeout)
            self._handshake(user, password, db, bool(unix), tls)
            self.sock.settimeout(timeout)
        except (OSError, ConnError) as e:
            self.close()
            raise self._wrap(e)
        except MyError:
            self.close()
            raise
        self.stage = "query"

    def _wrap(self, e):
        if isinstance(e, ConnError):
            return e
        if isinstance(e, (socket.timeout, TimeoutError)):
            k = "timeout"
        elif isinstance(e, ConnectionRefusedError) or isinstance(e, FileNotFoundError):
            k = "refused"
        elif isinstance(e, (ConnectionResetError, BrokenPipeError)):
            k = "reset"
        elif e.errno in (101, 113):
            k = "unreachable"
        else:
            k = "other"
        return ConnError(k, "%s (%s)" % (self.where, self.stage), e)

    def close(self):
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.close()
        self.sock = None

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()

    def _recvn(self, n):
        while len(self.buf) < n:
            d = self.sock.recv(65536)
            if not d:
                raise ConnError("closed", "%s (%s)" % (self.where, self.stage))
            self.buf += d
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def _packet(self):
        out = b""
        while True:
            h = self._recvn(4)
            n = h[0] | h[1] << 8 | h[2] << 16
            self.seq = (h[3] + 1) & 255
            out += self._recvn(n)
            if n < 0xFFFFFF:
                return out

    def _send(self, payload):
        self.sock.sendall(struct.pack("<I", len(payload))[:3] + bytes([self.seq]) + payload)
        self.seq = (self.seq + 1) & 255

    @staticmethod
    def _err(p):
        code = struct.unpack("<H", p[1:3])[0]
        rest = p[3:]
        state = "HY000"
        if rest[:1] == b"#":
            state, rest = rest[1:6].decode(), rest[6:]
        return MyError(code, state, rest.decode("utf-8", "replace"))

    @staticmethod
    def _scramble(plugin, password, salt):
        if not password:
            return b""
        pw = password.encode()
        if plugin == "mysql_native_password":
            a = hashlib.sha1(pw).digest()
            b = hashlib.sha1(salt + hashlib.sha1(a).digest()).digest()
            return bytes(x ^ y for x, y in zip(a, b))
        if plugin == "caching_sha2_password":
            a = hashlib.sha256(pw).digest()
            b = hashlib.sha256(hashlib.sha256(a).digest() + salt).digest()
            return bytes(x ^ y for x, y in zip(a, b))
        return b""

    def _handshake(self, user, password, db, local, tls):
        self.stage = "greeting"
        p = self._packet()
        if p[:1] == b"\xff":
            raise self._err(p)
        i = p.index(b"\0", 1)
        self.server_version = p[1:i].decode()
        self.thread_id = struct.unpack("<I", p[i + 1:i + 5])[0]
        salt = p[i + 5:i + 13]
        cap = struct.unpack("<H", p[i + 14:i + 16])[0]
        cap |= struct.unpack("<H", p[i + 19:i + 21])[0] << 16
        alen = p[i + 21]
        n = max(13, alen - 8)
        salt += p[i + 32:i + 32 + n].rstrip(b"\0")
        plugin = p[i + 32 + n:].split(b"\0")[0].decode()
        self.stage = "auth"
        flags = 1 | 4 | 512 | 8192 | 32768 | 65536 | 131072 | 0x80000
        if db:
            flags |= 8
        use_tls = (tls if tls is not None else not local and "caching" in plugin) and cap & 0x800
        head = struct.pack("<IIB23x", flags | (0x800 if use_tls else 0), 1 << 24, 45)
        if use_tls:
            self._send(head)
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            ctx.check_hostname = False
            ctx.verify_mode = ssl.CERT_NONE
            self.sock = ctx.wrap_socket(self.sock)
        a = self._scramble(plugin, password, salt)
        self._send(head + user.encode() + b"\0" + bytes([len(a)]) + a +
                   (db.encode() + b"\0" if db else b"") + plugin.encode() + b"\0")
        while True:
            p = self._packet()
            if p[:1] == b"\0":
                return
            if p[:1] == b"\xff":
                raise self._err(p)
            if p[:1] == b"\xfe":
                plugin, _, rest = p[1:].partition(b"\0")
                plugin, salt = plugin.decode(), rest.rstrip(b"\0")
                self._send(self._scramble(plugin, password, salt))
            elif p[:2] == b"\x01\x04":  # full authentication wanted
                if not (local or use_tls):
                    raise ConnError("other", self.where, OSError("full authentication needs TLS"))
                self._send(password.encode() + b"\0")
            elif p[:1] != b"\x01":
                raise ConnError("other", self.where, OSError("unexpected auth packet %r" % p[:4]))

    @staticmethod
    def _lenenc(p, i):
        c = p[i]
        if c < 0xFB:
            return c, i + 1
        if c == 0xFB:
            return None, i + 1
        if c == 0xFC:
            return struct.unpack("<H", p[i + 1:i + 3])[0], i + 3
        if c == 0xFD:
            return p[i + 1] | p[i + 2] << 8 | p[i + 3] << 16, i + 4
        return struct.unpack("<Q", p[i + 1:i + 9])[0], i + 9

    def query(self, sql, timeout=None):
        """Returns [(column names, rows)], one entry per statement."""
        if self.sock is None:
            raise ConnError("closed", self.where)
        try:
            self.sock.settimeout(timeout or self.timeout)
            self.seq = 0
            self._send(b"\x03" + sql.encode("utf-8"))
            out = []
            while True:
                p = self._packet()
                if p[:1] == b"\xff":
                    raise self._err(p)
                if p[:1] == b"\0":
                    n, i = self._lenenc(p, 1)
                    self.affected = n
                    _, i = self._lenenc(p, i)
                    status = struct.unpack("<H", p[i:i + 2])[0]
                    out.append(([], []))
                else:
                    ncol, _ = self._lenenc(p, 0)
                    cols = []
                    for _ in range(ncol):
                        c = self._packet()
                        i = 0
                        for k in range(5):
                            n, i = self._lenenc(c, i)
                            if k == 4:
                                cols.append(c[i:i + n].decode("utf-8", "replace"))
                            i += n
                    self._packet()  # EOF
                    rows = []
                    while True:
                        r = self._packet()
                        if r[:1] == b"\xfe" and len(r) < 9:
                            status = struct.unpack("<H", r[3:5])[0]
                            break
                        if r[:1] == b"\xff":
                            raise self._err(r)
                        row, i = [], 0
                        while i < len(r):
                            n, i = self._lenenc(r, i)
                            if n is None:
                                row.append(None)
                            else:
                                row.append(r[i:i + n].decode("utf-8", "replace"))
                                i += n
                        rows.append(row)
                    out.append((cols, rows))
                if not status & 8:
                    return out
        except (OSError, ConnError) as e:
            self.close()
            raise self._wrap(e)

    def rows(self, sql, **kw):
        """Rows of the last result set as dictionaries."""
        cols, rows = self.query(sql, **kw)[-1]
        return [dict(zip(cols, r)) for r in rows]

    def one(self, sql, **kw):
        r = self.query(sql, **kw)[-1][1]
        return r[0][0] if r else None
