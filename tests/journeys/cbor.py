"""Deterministic CBOR (RFC 8949 §4.2.1) by hand: for journeys that take documents apart with nothing of ours.

Reads and writes what documents hold: integers, bytes, text, lists, maps, false, true and null. A document that was
read is written as the same bytes; its COSE tag, one byte, is the journey's to skip and to put back.
"""


def read(data, at=0):
    """Reads the item at a place, and returns it with the place where it ends."""
    major, info, at = data[at] >> 5, data[at] & 31, at + 1
    if major == 7:
        return {20: False, 21: True, 22: None}[info], at
    if info > 23:
        length = 1 << (info - 24)
        info, at = int.from_bytes(data[at:at + length], "big"), at + length
    if major < 2:
        return (info if major == 0 else -1 - info), at
    if major < 4:
        return (data[at:at + info] if major == 2 else data[at:at + info].decode()), at + info
    items = []
    for _ in range(info * (2 if major == 5 else 1)):
        item, at = read(data, at)
        items.append(item)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


def write(value):
    """Returns the bytes of a value."""
    if value is None or isinstance(value, bool):
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, (bytes, str)):
        data = value if isinstance(value, bytes) else value.encode()
        return head(2 if isinstance(value, bytes) else 3, len(data)) + data
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(write, value))
    entries = sorted((write(key), write(value[key])) for key in value)
    return head(5, len(entries)) + b"".join(key + item for key, item in entries)


def to_sign(protected, payload):
    """Returns the Sig_structure of a COSE_Sign1 (RFC 9052 §4.4), which a leaf of the log hashes as well."""
    return write(["Signature1", protected, b"", payload])


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    info, size = next((info, size) for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)) if value < 256 ** size)
    return bytes([major << 5 | info]) + value.to_bytes(size, "big")
