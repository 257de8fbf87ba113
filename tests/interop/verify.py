"""Verifies a license with PyPI `cwt`, which is not ours, and prints its claims as JSON.

Usage: verify.py LICENSE KEY FORM [ALGORITHM], FORM one of cose, jwk and pem; PEM does not say the algorithm.
Exits 1 and says why when the library refuses. The terms are reported by their size: they are ours alone.
"""

import json
import sys

import cbor2
import cwt

CLAIMS = {1: "iss", 2: "sub", 3: "aud", 4: "exp", 5: "nbf", 6: "iat", 7: "cti", 8: "cnf", -65537: "terms"}


def read_key(path: str, form: str, algorithm: str, kid: str) -> cwt.cose_key_interface.COSEKeyInterface:
    with open(path, "rb") as file:
        data = file.read()
    if form == "cose":
        return cwt.COSEKey.new(cbor2.loads(data))
    if form == "jwk":
        # A JWK's kid is text, a COSE kid bytes; ours is those bytes in hex.
        jwk = json.loads(data)
        return cwt.COSEKey.new(cwt.COSEKey.from_jwk(jwk).to_dict() | {2: bytes.fromhex(jwk["kid"])})
    return cwt.COSEKey.from_pem(data, alg=algorithm, kid=bytes.fromhex(kid))


def main() -> None:
    license, key_path, form = sys.argv[1:4]
    with open(license, "rb") as file:
        document = file.read()
    protected = cbor2.loads(cbor2.loads(document).value[0])
    algorithm = {-19: "Ed25519", -9: "ESP256"}[protected[1]]
    key = read_key(key_path, form, algorithm, protected[4].hex())
    # The key is trusted because it was exported by the authority; the library checks exp and nbf as well.
    claims = cwt.decode(document, key)
    shown = {CLAIMS[number]: value for number, value in claims.items()}
    shown["cti"] = shown["cti"].hex()
    shown["terms"] = len(cbor2.dumps(shown["terms"], canonical=True))
    shown["cnf"] = {number: value.hex() for number, value in shown.get("cnf", {}).items()}
    print(json.dumps(shown))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # whatever the library raises is its refusal
        sys.exit(f"{type(error).__name__}: {error}")
