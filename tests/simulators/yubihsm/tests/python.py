"""Yubico's own Python client against the simulator.

Usage: python.py SIMULATOR. Needs PyPI `yubihsm[http]`. Every function named test_* gets a fresh simulator of
its own; the last line says how many ran. Not here: what that client cannot send (see the Rust tests).
"""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from yubihsm import YubiHsm
from yubihsm.defs import ALGORITHM, AUDIT, CAPABILITY, COMMAND, ERROR, OBJECT, OPTION, ORIGIN
from yubihsm.exceptions import (
    YubiHsmAuthenticationError,
    YubiHsmConnectionError,
    YubiHsmDeviceError,
    YubiHsmInvalidResponseError,
)
from yubihsm.objects import (
    AsymmetricKey,
    AttestationExtensions,
    AuthenticationKey,
    HmacKey,
    Opaque,
    WrapKey,
)

SIGN = CAPABILITY.SIGN_EDDSA | CAPABILITY.SIGN_ECDSA | CAPABILITY.EXPORTABLE_UNDER_WRAP


@dataclass
class Simulator:
    url: str

    def fault(self, line):
        urllib.request.urlopen(f"{self.url}/simulator/fault", data=line.encode()).read()

    def mend(self):
        urllib.request.urlopen(f"{self.url}/simulator/mend", data=b"").read()

    def operations(self):
        return json.load(urllib.request.urlopen(f"{self.url}/simulator/operations"))

    def connect(self):
        return YubiHsm.connect(self.url)

    def session(self, key=1, password="password"):
        return self.connect().create_session_derived(key, password)


@contextlib.contextmanager
def simulator(*arguments):
    process = subprocess.Popen([sys.argv[1], *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield Simulator(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def refused(code):
    try:
        yield
    except YubiHsmDeviceError as error:
        assert error.code == code, f"{error.code!r} instead of {code!r}"
    else:
        raise AssertionError(f"not refused with {code!r}")


def test_device_info(device):
    info = device.connect().get_device_info()
    assert info.version == (2, 4, 0) and info.serial == 12345678
    assert (info.log_size, info.log_used) == (62, 2) and info.part_number
    assert ALGORITHM.EC_ED25519 in info.supported_algorithms and len(info.supported_algorithms) >= 47


def test_echo_up_to_the_frame(device):
    hsm = device.connect()
    session = hsm.create_session_derived(1, "password")
    for length in (1, 15, 16, 1024, 2021, 3000):
        data = os.urandom(length)
        assert hsm.send_cmd(COMMAND.ECHO, data) == data
        assert session.send_secure_cmd(COMMAND.ECHO, data) == data


def test_sign_and_verify(device):
    session = device.session()
    key = AsymmetricKey.generate(session, 0, "ed", 1, SIGN, ALGORITHM.EC_ED25519)
    for length in (0, 1, 128, 2019, 3000):
        message = os.urandom(length)
        key.get_public_key().verify(key.sign_eddsa(message), message)
    assert key.get_info().origin == ORIGIN.GENERATED
    curve = AsymmetricKey.generate(session, 0, "p256", 1, SIGN, ALGORITHM.EC_P256)
    for kind in (hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        curve.get_public_key().verify(curve.sign_ecdsa(b"m", kind), b"m", ec.ECDSA(kind))
    assert device.operations()["sign_eddsa"] == 5 and device.operations()["sign_ecdsa"] == 4


def test_put_keys_sign_as_in_software(device):
    session = device.session()
    secret = ed25519.Ed25519PrivateKey.generate()
    key = AsymmetricKey.put(session, 5, "ed", 1, SIGN, secret)
    assert key.sign_eddsa(b"m") == secret.sign(b"m")
    assert key.get_info().origin == ORIGIN.IMPORTED
    secret = ec.generate_private_key(ec.SECP256R1())
    key = AsymmetricKey.put(session, 6, "p256", 1, SIGN, secret)
    secret.public_key().verify(key.sign_ecdsa(b"m"), b"m", ec.ECDSA(hashes.SHA256()))
    assert key.get_public_key() == secret.public_key()
    with refused(ERROR.ALGORITHM_DISABLED):
        AsymmetricKey.generate(session, 7, "rsa", 1, SIGN, ALGORITHM.RSA_2048)


def test_wrong_password_and_unknown_key(device):
    hsm = device.connect()
    try:
        hsm.create_session_derived(1, "passwort")
        raise AssertionError("a wrong password passes")
    except YubiHsmAuthenticationError:
        pass
    with refused(ERROR.OBJECT_NOT_FOUND):
        hsm.create_session_derived(2, "password")
    # A host that pays no heed to the device's cryptogram fails by its own.
    half = hsm.init_session(1)
    message = struct.pack("!BHB", COMMAND.AUTHENTICATE_SESSION, 17, half._sid) + bytes(16)
    assert hsm._transceive(message) == bytes([0x7F, 0, 1, ERROR.AUTHENTICATION_FAILED])
    assert hsm._transceive(message) == bytes([0x7F, 0, 1, ERROR.INVALID_SESSION])
    hsm.create_session_derived(1, "password")


def test_sixteen_sessions_and_their_end(device):
    hsm = device.connect()
    sessions = [hsm.create_session_derived(1, "password") for _ in range(16)]
    assert [session.sid for session in sessions] == list(range(16))
    with refused(ERROR.SESSIONS_FULL):
        hsm.create_session_derived(1, "password")
    sessions[9].close()
    assert hsm.create_session_derived(1, "password").sid == 9
    sessions[3].send_secure_cmd(COMMAND.ECHO, b"hello")
    device.fault("power-cycle")
    with refused(ERROR.INVALID_SESSION):
        sessions[3].send_secure_cmd(COMMAND.ECHO, b"hello")
    device.fault("fill-sessions")
    with refused(ERROR.SESSIONS_FULL):
        hsm.create_session_derived(1, "password")


def test_sessions_expire():
    with simulator("--session-timeout-secs", "1") as device:
        hsm = device.connect()
        session = hsm.create_session_derived(1, "password")
        for _ in range(4):
            time.sleep(0.5)
            session.send_secure_cmd(COMMAND.ECHO, b"alive")
        time.sleep(1.2)
        with refused(ERROR.INVALID_SESSION):
            session.send_secure_cmd(COMMAND.ECHO, b"alive")


def test_a_changed_message_ends_the_session(device):
    hsm = device.connect()
    session = hsm.create_session_derived(1, "password")
    session._key_mac = bytes(16)
    with refused(ERROR.SESSION_FAILED):
        session.send_secure_cmd(COMMAND.ECHO, b"x")
    with refused(ERROR.INVALID_SESSION):
        session.send_secure_cmd(COMMAND.ECHO, b"x")


def test_capabilities_domains_and_delegation(device):
    admin = device.session()
    key = AsymmetricKey.generate(admin, 0x100, "key", 1, SIGN, ALGORITHM.EC_ED25519)
    AuthenticationKey.put_derived(admin, 2, "sign", 1, CAPABILITY.SIGN_EDDSA, CAPABILITY.NONE, "two")
    AuthenticationKey.put_derived(admin, 3, "elsewhere", 2, CAPABILITY.ALL, CAPABILITY.ALL, "three")
    signer, elsewhere = device.session(2, "two"), device.session(3, "three")
    assert len(key.with_session(signer).sign_eddsa(b"m")) == 64
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        key.with_session(signer).delete()
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        AsymmetricKey.generate(signer, 0, "new", 1, CAPABILITY.NONE, ALGORITHM.EC_ED25519)
    with refused(ERROR.OBJECT_NOT_FOUND):
        key.with_session(elsewhere).sign_eddsa(b"m")
    assert [found.id for found in elsewhere.list_objects()] == [1, 3]
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        AsymmetricKey.generate(elsewhere, 0, "new", 1, CAPABILITY.NONE, ALGORITHM.EC_ED25519)
    mute = AsymmetricKey.generate(admin, 0, "mute", 1, CAPABILITY.NONE, ALGORITHM.EC_ED25519)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        mute.sign_eddsa(b"m")


def test_list_filters_and_info(device):
    session = device.session()
    AsymmetricKey.generate(session, 5, "one", 1, CAPABILITY.SIGN_EDDSA, ALGORITHM.EC_ED25519)
    AsymmetricKey.generate(session, 6, "two", 2, CAPABILITY.SIGN_ECDSA, ALGORITHM.EC_P256)
    ids = lambda **filters: [found.id for found in session.list_objects(**filters)]
    assert ids() == [1, 5, 6]
    assert ids(object_type=OBJECT.ASYMMETRIC_KEY) == [5, 6]
    assert ids(algorithm=ALGORITHM.EC_P256) == [6] and ids(domains=1) == [1, 5]
    assert ids(capabilities=CAPABILITY.SIGN_EDDSA, object_type=OBJECT.ASYMMETRIC_KEY) == [5]
    assert ids(label="two") == [6] and ids(object_id=5) == [5] and ids(label="three") == []
    info = session.get_object(1, OBJECT.AUTHENTICATION_KEY).get_info()
    assert info.label == "DEFAULT AUTHKEY CHANGE THIS ASAP" and info.size == 40 and info.sequence == 0
    info = session.get_object(6, OBJECT.ASYMMETRIC_KEY).get_info()
    assert (info.label, info.domains, info.capabilities) == ("two", 2, CAPABILITY.SIGN_ECDSA)
    with refused(ERROR.OBJECT_NOT_FOUND):
        session.get_object(6, OBJECT.HMAC_KEY).get_info()


def test_wrapped_keys_come_back_the_same(device):
    session = device.session()
    for size, algorithm in ((16, 29), (24, 41), (32, 42)):
        raw = os.urandom(size)
        wrap = WrapKey.put(
            session, 0, "wrap", 1, CAPABILITY.EXPORT_WRAPPED | CAPABILITY.IMPORT_WRAPPED,
            ALGORITHM(algorithm), SIGN, raw,
        )
        for kind in (ALGORITHM.EC_ED25519, ALGORITHM.EC_P256):
            key = AsymmetricKey.generate(session, 0, "key", 1, SIGN, kind)
            public = key.get_public_key()
            wrapped = wrap.export_wrapped(key)
            assert wrapped != wrap.export_wrapped(key)
            plain = AESCCM(raw, tag_length=16).decrypt(wrapped[:13], wrapped[13:], None)
            assert plain[0] == algorithm and len(plain) == 59 + 96
            with refused(ERROR.OBJECT_EXISTS):
                wrap.import_wrapped(wrapped)
            key.delete()
            key = wrap.import_wrapped(wrapped)
            assert key.get_info().origin == ORIGIN.GENERATED | ORIGIN.IMPORTED_WRAPPED
            assert key.get_public_key() == public
            if kind == ALGORITHM.EC_ED25519:
                public.verify(key.sign_eddsa(b"m"), b"m")
            else:
                public.verify(key.sign_ecdsa(b"m"), b"m", ec.ECDSA(hashes.SHA256()))


def test_wrap_permissions(device):
    session = device.session()
    opaque = Opaque.put(
        session, 0, "data", 0xFFFF, CAPABILITY.EXPORTABLE_UNDER_WRAP, ALGORITHM.OPAQUE_DATA, b"content"
    )
    raw = os.urandom(24)

    def wrap(capabilities, delegated):
        return WrapKey.put(session, 0, "w", 1, capabilities, ALGORITHM.AES192_CCM_WRAP, delegated, raw)

    both = CAPABILITY.EXPORT_WRAPPED | CAPABILITY.IMPORT_WRAPPED
    exportable = CAPABILITY.EXPORTABLE_UNDER_WRAP
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        wrap(both, CAPABILITY.NONE).export_wrapped(opaque)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        wrap(CAPABILITY.IMPORT_WRAPPED, exportable).export_wrapped(opaque)
    wrapped = wrap(CAPABILITY.EXPORT_WRAPPED, exportable).export_wrapped(opaque)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        wrap(CAPABILITY.EXPORT_WRAPPED, exportable).import_wrapped(wrapped)
    opaque.delete()
    assert wrap(CAPABILITY.IMPORT_WRAPPED, exportable).import_wrapped(wrapped).get() == b"content"
    data = wrap(CAPABILITY.WRAP_DATA | CAPABILITY.UNWRAP_DATA, CAPABILITY.NONE)
    for length in (1, 16, 1024, 1989):
        plain = os.urandom(length)
        assert data.unwrap_data(data.wrap_data(plain)) == plain
    with refused(ERROR.INVALID_DATA):
        wrap(CAPABILITY.WRAP_DATA, CAPABILITY.NONE).unwrap_data(data.wrap_data(b"x"))


def test_change_authentication_key(device):
    session = device.session()
    key = AuthenticationKey.put_derived(
        session, 0, "own", 1, CAPABILITY.CHANGE_AUTHENTICATION_KEY, CAPABILITY.NONE, "first"
    )
    with refused(ERROR.INVALID_ID):
        key.change_password("second")
    key.with_session(device.session(key.id, "first")).change_password("second")
    try:
        device.session(key.id, "first")
        raise AssertionError("the old password passes")
    except YubiHsmAuthenticationError:
        pass
    device.session(key.id, "second").close()
    key.delete()
    with refused(ERROR.OBJECT_NOT_FOUND):
        device.session(key.id, "second")


def test_opaque_hmac_and_random(device):
    session = device.session()
    for length in (1, 256, 1968):
        data = os.urandom(length)
        opaque = Opaque.put(session, 0, "o", 1, CAPABILITY.NONE, ALGORITHM.OPAQUE_DATA, data)
        assert opaque.get() == data
        opaque.delete()
    caps = CAPABILITY.SIGN_HMAC | CAPABILITY.VERIFY_HMAC
    key = HmacKey.put(session, 0, "h", 1, caps, b"Jefe", ALGORITHM.HMAC_SHA256)
    tag = key.sign_hmac(b"what do ya want for nothing?")
    assert tag.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert key.verify_hmac(tag, b"what do ya want for nothing?") and not key.verify_hmac(tag, b"?")
    for kind in (ALGORITHM.HMAC_SHA1, ALGORITHM.HMAC_SHA384, ALGORITHM.HMAC_SHA512):
        key = HmacKey.generate(session, 0, "h", 1, caps, kind)
        assert key.verify_hmac(key.sign_hmac(b"m"), b"m")
    first, second = session.get_pseudo_random(40), session.get_pseudo_random(40)
    assert len(first) == 40 and first != second


def test_attestation(device_with_issuers):
    device, folder = device_with_issuers
    session = device.session()
    load = lambda name: x509.load_pem_x509_certificate(open(f"{folder}/{name}", "rb").read())
    root, intermediate = load("root.pem"), load("intermediate.pem")
    root.verify_directly_issued_by(root)
    intermediate.verify_directly_issued_by(root)
    own = session.get_object(0, OBJECT.OPAQUE).get_certificate()
    own.verify_directly_issued_by(intermediate)
    for kind, origin in ((ALGORITHM.EC_P256, ORIGIN.GENERATED), (ALGORITHM.EC_ED25519, ORIGIN.GENERATED)):
        key = AsymmetricKey.generate(session, 0x8123, "signing key", 5, SIGN, kind)
        attested = key.attest()
        attested.verify_directly_issued_by(own)
        found = AttestationExtensions.parse(attested)
        assert found.firmware_version == (2, 4, 0) and found.serial == 12345678
        assert (found.origin, found.domains, found.capabilities) == (origin, 5, SIGN)
        assert (found.object_id, found.label) == (0x8123, "signing key")
        assert attested.public_key() == key.get_public_key()
        assert attested.not_valid_before_utc == own.not_valid_before_utc
        key.delete()
    key = AsymmetricKey.put(session, 9, "put", 1, SIGN, ec.generate_private_key(ec.SECP256R1()))
    assert AttestationExtensions.parse(key.attest()).origin == ORIGIN.IMPORTED
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        key.attest(9)
    with refused(ERROR.OBJECT_NOT_FOUND):
        key.attest(77)
    own_certificate = lambda: session.get_object(0, OBJECT.OPAQUE).get_certificate()
    device.fault("attestation mismatched")
    try:
        key.attest().verify_directly_issued_by(own_certificate())
        raise AssertionError("a mismatched certificate verifies")
    except InvalidSignature:
        pass
    device.fault("attestation expired")
    assert key.attest().not_valid_after_utc.year == 2015 == own_certificate().not_valid_after_utc.year
    device.fault("attestation wrong-root")
    own_certificate().verify_directly_issued_by(load("other-root.pem"))
    device.fault("attestation valid")
    device.fault("serial 42")
    assert device.connect().get_device_info().serial == 42
    assert AttestationExtensions.parse(key.attest()).serial == 42


def test_attestation_by_a_key_of_ones_own(device):
    session = device.session()
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "template")])
    import datetime

    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    template = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(5)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(1))
        .public_key(secret.public_key()).sign(secret, hashes.SHA256())
    )
    caps = CAPABILITY.SIGN_ATTESTATION_CERTIFICATE
    attesting = AsymmetricKey.put(session, 0x30, "attest", 1, caps, secret)
    attesting.put_certificate("attest", 1, CAPABILITY.NONE, template)
    key = AsymmetricKey.generate(session, 0x31, "key", 1, SIGN, ALGORITHM.EC_P256)
    attested = key.attest(0x30)
    attested.verify_directly_issued_by(template)
    assert attested.not_valid_after_utc == template.not_valid_after_utc
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        attesting.attest(0x31)


def test_log_chain_of_a_new_device(device):
    session = device.session()
    session.set_command_audit({COMMAND.SET_OPTION: AUDIT.ON, COMMAND.SIGN_EDDSA: AUDIT.ON})
    key = AsymmetricKey.generate(session, 0x100, "key", 1, SIGN, ALGORITHM.EC_ED25519)
    key.sign_eddsa(b"one")
    log = session.get_log_entries()
    assert log.entries[0].data == b"\0\1" + b"\xff" * 14
    assert log.entries[1].data == struct.pack("!HBHHHHBL", 2, 0, 0, 0xFFFF, 0, 0, 0, 0)
    assert [entry.command for entry in log.entries[2:]] == [COMMAND.SET_OPTION, COMMAND.SIGN_EDDSA]
    entry = log.entries[3]
    assert (entry.length, entry.session_key, entry.target_key) == (5, 1, 0x100)
    assert (entry.second_key, entry.result) == (0xFFFF, 0xEA)
    session.set_log_index(entry.number)
    for _ in range(100):
        key.sign_eddsa(b"more")
    entries = session.get_log_entries().entries  # checks the chain
    assert len(entries) == 62 and entries[-1].number == 104
    with refused(ERROR.INVALID_DATA):
        session.set_log_index(3)


def test_force_audit(device):
    session = device.session()
    key = AsymmetricKey.generate(session, 0x100, "key", 1, SIGN, ALGORITHM.EC_ED25519)
    audited = (COMMAND.SIGN_EDDSA, COMMAND.CREATE_SESSION, COMMAND.AUTHENTICATE_SESSION, COMMAND.SET_LOG_INDEX)
    session.set_command_audit({command: AUDIT.ON for command in audited})
    session.set_force_audit(AUDIT.ON)
    assert session.get_force_audit() == AUDIT.ON
    last = session.get_log_entries().entries[-1]
    session.set_log_index(last.number)
    signed = 0
    with refused(ERROR.LOG_FULL):
        while True:
            key.sign_eddsa(b"m")
            signed += 1
    assert signed == 61 == device.operations()["sign_eddsa"]
    info = device.connect().get_device_info()
    assert info.log_used == info.log_size
    other = device.session()
    log = other.get_log_entries(last)
    assert (log.n_boot, log.n_auth) == (0, 2)
    other.set_log_index(log.entries[-1].number)
    key.sign_eddsa(b"m")
    log = other.get_log_entries(log.entries[-1])
    assert (log.n_boot, log.n_auth) == (0, 0)
    assert [entry.command for entry in log.entries] == [COMMAND.SET_LOG_INDEX, COMMAND.SIGN_EDDSA]
    wrong = log.entries[0].__class__(*[*vars(log.entries[0]).values()][:-1], os.urandom(16))
    other.set_log_index(log.entries[0].number)
    try:
        other.get_log_entries(wrong)
        raise AssertionError("a broken chain passes")
    except YubiHsmInvalidResponseError:
        pass


def test_options(device):
    session = device.session()
    options = session.get_command_audit()
    assert set(options.values()) == {AUDIT.OFF} and COMMAND.IMPORT_WRAPPED_RSA in options
    session.set_command_audit({COMMAND.SIGN_EDDSA: AUDIT.FIXED})
    assert session.get_command_audit()[COMMAND.SIGN_EDDSA] == AUDIT.FIXED
    with refused(ERROR.INVALID_DATA):
        session.set_command_audit({COMMAND.SIGN_EDDSA: AUDIT.OFF})
    session.set_force_audit(AUDIT.FIXED)
    with refused(ERROR.INVALID_DATA):
        session.set_force_audit(AUDIT.OFF)
    with refused(ERROR.INVALID_DATA):
        session.get_option(OPTION.FIPS_MODE)
    assert session.get_enabled_algorithms()[ALGORITHM.EC_ED25519]


def test_older_firmware():
    with simulator("--firmware", "2.2.0", "--serial", "99") as device:
        info = device.connect().get_device_info()
        assert info.version == (2, 2, 0) and info.serial == 99 and info.part_number is None
        session = device.session()
        options = session.get_command_audit()
        assert max(options) == COMMAND.CHANGE_AUTHENTICATION_KEY
        off = {command for command, value in options.items() if value == AUDIT.OFF}
        assert {int(command) for command in off} == {1, 5, 6, 7, 9, 0x4D}
        with refused(ERROR.OBJECT_NOT_FOUND):
            AsymmetricKey(session, 0x100).sign_eddsa(b"m")
        entries = session.get_log_entries().entries
        commands = [entry.command for entry in entries[2:4]]
        assert commands == [COMMAND.CREATE_SESSION, COMMAND.AUTHENTICATE_SESSION]
        assert (entries[-1].target_key, entries[-1].result) == (0x100, ERROR.OBJECT_NOT_FOUND)


def test_reset(device):
    session = device.session()
    AsymmetricKey.generate(session, 0x100, "key", 1, SIGN, ALGORITHM.EC_ED25519)
    session.get_object(1, OBJECT.AUTHENTICATION_KEY)
    session.set_force_audit(AUDIT.FIXED)
    session.reset_device()
    session = device.session()
    assert [found.id for found in session.list_objects()] == [1]
    assert session.get_force_audit() == AUDIT.OFF
    entries = session.get_log_entries().entries
    assert len(entries) == 2 and entries[0].data == b"\0\1" + b"\xff" * 14


def test_state_outlives_the_process():
    with tempfile.TemporaryDirectory() as folder:
        state = f"{folder}/state.json"
        with simulator("--state", state) as device:
            session = device.session()
            key = AsymmetricKey.generate(session, 0x100, "key", 1, SIGN, ALGORITHM.EC_ED25519)
            public, last = key.get_public_key(), session.get_log_entries().entries[-1]
        with simulator("--state", state) as device:
            session = device.session()
            key = session.get_object(0x100, OBJECT.ASYMMETRIC_KEY)
            assert key.get_public_key() == public
            public.verify(key.sign_eddsa(b"m"), b"m")
            entries = session.get_log_entries().entries
            assert entries[-2] == last and entries[-1].command == 0


def test_a_killed_process_keeps_every_key_it_acknowledged():
    with tempfile.TemporaryDirectory() as folder:
        state, acknowledged = f"{folder}/state.json", []
        for round in range(6):
            with simulator("--state", state) as device:
                session = device.session()
                found = [key.id for key in session.list_objects(object_type=OBJECT.ASYMMETRIC_KEY)]
                assert found[: len(acknowledged)] == acknowledged and len(found) <= len(acknowledged) + 1
                acknowledged = found
                began = time.monotonic()
                while time.monotonic() - began < 0.01 * (round + 1):
                    key = AsymmetricKey.generate(session, 0, "k", 1, SIGN, ALGORITHM.EC_ED25519)
                    acknowledged.append(key.id)
                # One more is under way when the process is killed.
                threading.Thread(target=generate, args=(session,)).start()


def generate(session):
    with contextlib.suppress(Exception):
        AsymmetricKey.generate(session, 0, "k", 1, SIGN, ALGORITHM.EC_ED25519)


def test_lost_replies_and_requests(device):
    session = device.session()
    key = AsymmetricKey.generate(session, 0x100, "key", 1, SIGN, ALGORITHM.EC_ED25519)

    def lost(call):
        try:
            call()
            raise AssertionError("answered")
        except YubiHsmConnectionError:
            pass

    device.fault("drop-request 6a")
    session.send_secure_cmd(COMMAND.ECHO, b"not this one")
    lost(lambda: key.sign_eddsa(b"m"))
    assert device.operations()["sign_eddsa"] == 0
    key.sign_eddsa(b"m")  # the session's counters did not move
    device.fault("drop-reply")
    lost(lambda: key.sign_eddsa(b"m"))
    assert device.operations()["sign_eddsa"] == 2
    key = key.with_session(device.session())
    device.fault("corrupt-signature")
    try:
        key.get_public_key().verify(key.sign_eddsa(b"m"), b"m")
        raise AssertionError("a corrupt signature verifies")
    except InvalidSignature:
        pass
    key.get_public_key().verify(key.sign_eddsa(b"m"), b"m")
    before = key.get_public_key()
    device.fault("replace-key 0x100")
    assert key.get_public_key() != before


def test_a_dead_and_an_unplugged_device(device):
    session = device.session()
    device.fault("die")
    done = []
    hanging = threading.Thread(target=lambda: done.append(attempt(session)))
    hanging.start()
    hanging.join(0.5)
    assert hanging.is_alive(), "a dead device answered"
    device.mend()
    hanging.join(5)
    assert done == ["lost"]
    session.send_secure_cmd(COMMAND.ECHO, b"as if nothing had been sent")
    device.fault("unplug")
    assert attempt(session) == "lost"
    assert b"NO_DEVICE" in urllib.request.urlopen(f"{device.url}/connector/status").read()
    device.mend()
    with refused(ERROR.INVALID_SESSION):
        session.send_secure_cmd(COMMAND.ECHO, b"x")
    assert b"status=OK\n" in urllib.request.urlopen(f"{device.url}/connector/status").read()
    device.fault("delay 300 01")
    session = device.session()
    began = time.monotonic()
    session.send_secure_cmd(COMMAND.ECHO, b"late")
    assert time.monotonic() - began >= 0.3


def attempt(session):
    try:
        session.send_secure_cmd(COMMAND.ECHO, b"x")
        return "answered"
    except YubiHsmConnectionError:
        return "lost"


def test_malformed_requests_harm_nobody(device):
    port = int(device.url.rsplit(":", 1)[1])
    head = b"POST /connector/api HTTP/1.1\r\nHost: x\r\n"
    idle = socket.create_connection(("127.0.0.1", port))
    idle.sendall(head)  # and then silence
    for bytes_sent, status in (
        (b"\0\1\2\3\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /connector/api HTTP/1.1\r\n\r\n", b"405"),
        (head + b"\r\n", b"411"),
        (head + b"Content-Length: 2\r\n\r\nab", b"400"),
        (head + b"Content-Length: 5\r\n\r\n\x01\0\0ab", b"200"),
        (head + b"Content-Length: 3200\r\n\r\n" + bytes(3200), b"400"),
        (head + b"Content-Length: 99999999999\r\n\r\n", b"413"),
        (head + b"X: " + b"y" * 9000, b"400"),
        (b"POST /simulator/fault HTTP/1.1\r\nContent-Length: 3\r\n\r\nboo", b"400"),
    ):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(5)
            connection.sendall(bytes_sent)
            assert connection.recv(64)[9:12] == status, bytes_sent[:80]
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(os.urandom(40) + b"\r\n\r\n")
    device.session().close()
    idle.settimeout(10)
    assert idle.recv(1) == b"", "an idle connection stays open"


def main():
    tests = {name: test for name, test in globals().items() if name.startswith("test_")}
    for name, test in tests.items():
        wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
        if wanted == ("device",):
            with simulator() as device:
                test(device)
        elif wanted == ("device_with_issuers",):
            with tempfile.TemporaryDirectory() as folder, simulator("--attestation", folder) as device:
                test((device, folder))
        else:
            test()
        print("ok", name[5:].replace("_", " "))
    print(f"yubico-python: {len(tests)} passed")


if __name__ == "__main__":
    main()
