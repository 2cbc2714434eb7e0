"""Ed25519 signatures (RFC 8032, section 5.1), for the proof that a session may use a token that the engine has kept.

Plain integers, a few milliseconds a signature, and not of constant time: the key is made for one engine and one
registry, and signs what that engine sends.
"""

from __future__ import annotations

import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P

_Point = tuple[int, int, int, int]


def public_key(seed: bytes) -> bytes:
    """The 32 bytes of the public key that belongs to a seed of 32 bytes."""
    return _pack(_multiply(_secret(seed)[0], _BASE))


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature of 64 bytes."""
    scalar, prefix = _secret(seed)
    public = _pack(_multiply(scalar, _BASE))
    nonce = _number(prefix + message) % _ORDER
    commitment = _pack(_multiply(nonce, _BASE))
    challenge = _number(commitment + public + message) % _ORDER
    return commitment + int.to_bytes((nonce + challenge * scalar) % _ORDER, 32, "little")


def _secret(seed: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    return scalar, digest[32:]


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def _add(one: _Point, two: _Point) -> _Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % _P, (one[1] + one[0]) * (two[1] + two[0]) % _P
    c, d = 2 * one[3] * two[3] * _D % _P, 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(factor: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result


def _pack(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return int.to_bytes(y | (x & 1) << 255, 32, "little")


def _base() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    x = _P - x if x & 1 else x
    return x, y, 1, x * y % _P


_BASE = _base()
