#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const PIN: &str = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec";

/// Each reads, and is written again in the second form.
const ACCEPTED: [(&str, &str); 16] = [
    ("piv:serial=12345678;slot=9c", "piv:serial=12345678;slot=9c"),
    ("piv:slot=9A;serial=1?pin-source=prompt", "piv:serial=1;slot=9a?pin-source=prompt"),
    (
        "yubihsm:audit-id=3;serial=0001234567;id=1;auth-id=2?pin-source=fd:3&connector=usb",
        "yubihsm:serial=0001234567;id=0x0001;auth-id=2;audit-id=3?connector=usb&pin-source=fd:3",
    ),
    (
        "pkcs11:token=x;object=y?module-path=/m.so&pin-source=file:/etc/the%20pin",
        "pkcs11:token=x;object=y?module-path=/m.so&pin-source=file:/etc/the%20pin",
    ),
    ("file:keys/issuing.pem", "file:keys/issuing.pem"),
    ("file:/srv/Schlüssel/a b.pem", "file:/srv/Schlüssel/a%20b.pem"),
    ("file:what%3f%25.pem", "file:what%3f%25.pem"),
    ("file:raw%ff.pem", "file:raw%ff.pem"),
    ("file:a;b=c&d.pem", "file:a;b=c&d.pem"),
    (
        "pkcs11:token=vendor;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so",
        "pkcs11:token=vendor;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so",
    ),
    (
        "pkcs11:object=Issuing%20key;type=private;id=%01%Af;serial=a1;token=x?module-path=/m.so",
        "pkcs11:token=x;serial=a1;object=Issuing%20key;id=%01%af?module-path=/m.so",
    ),
    (
        "pkcs11:serial=1;model=M;manufacturer=F;id=a?module-path=/m%20n.so",
        "pkcs11:manufacturer=F;serial=1;model=M;id=%61?module-path=/m%20n.so",
    ),
    (
        "yubihsm:serial=0001234567;id=0x0100?connector=usb",
        "yubihsm:serial=0001234567;id=0x0100?connector=usb",
    ),
    (
        "yubihsm:id=256;serial=0001234567;auth-id=3?connector=http://127.0.0.1:12345",
        "yubihsm:serial=0001234567;id=0x0100;auth-id=3?connector=http://127.0.0.1:12345",
    ),
    (
        "yubihsm:serial=0001234567;id=0xfffe;auth-id=0x0001?connector=http://hsm-1.local:1",
        "yubihsm:serial=0001234567;id=0xfffe?connector=http://hsm-1.local:1",
    ),
    (
        "pkcs11:token=M%c3%bcller;object=%3b%3d?module-path=/m.so",
        "pkcs11:token=M%c3%bcller;object=%3b%3d?module-path=/m.so",
    ),
];

const REFUSED: [(&str, &str); 62] = [
    ("piv:serial=1", "reference-incomplete"),
    ("piv:slot=9c", "reference-incomplete"),
    ("piv:serial=4294967296;slot=9c", "reference-attribute-invalid"),
    ("piv:serial=1;slot=9b", "reference-attribute-invalid"),
    ("piv:serial=1;slot=+9", "reference-attribute-invalid"),
    ("piv:serial=1;slot=9c;pin-value=123456", "reference-pin-refused"),
    ("pkcs11:token=x;object=y?module-path=/m.so&pin-source=file:pin", "reference-attribute-invalid"),
    ("pkcs11:token=x;object=y?module-path=/m.so&pin-source=%7ccat%20/etc/pin", "reference-attribute-invalid"),
    ("", "reference-scheme-unknown"),
    ("keys/issuing.pem", "reference-scheme-unknown"),
    ("FILE:a", "reference-scheme-unknown"),
    (" file:a", "reference-scheme-unknown"),
    ("tpm2:handle=0x81000001", "reference-scheme-unknown"),
    ("piv:serial=01;slot=9c", "reference-attribute-invalid"),
    ("file:", "reference-attribute-invalid"),
    ("file:?public-key=00", "reference-attribute-invalid"),
    ("file://host/key.pem", "reference-attribute-invalid"),
    ("file:///key.pem", "reference-attribute-invalid"),
    ("file:a%00b", "reference-attribute-invalid"),
    ("file:a%0ab", "reference-attribute-invalid"),
    ("file:a\nb", "reference-encoding-invalid"),
    ("file:a\u{202e}b", "reference-attribute-invalid"),
    ("file:100%", "reference-encoding-invalid"),
    ("file:a%zz", "reference-encoding-invalid"),
    ("file:a?public-key=abcd", "reference-attribute-invalid"),
    ("file:a?module-path=/m.so", "reference-attribute-unknown"),
    ("file:a?pin=1234", "reference-pin-refused"),
    ("pkcs11:", "reference-incomplete"),
    ("pkcs11:token=x;object=y", "reference-incomplete"),
    ("pkcs11:token=x?module-path=/m.so", "reference-incomplete"),
    ("pkcs11:object=y?module-path=/m.so", "reference-incomplete"),
    ("pkcs11:token=x;object=y?module-path=m.so", "reference-attribute-invalid"),
    ("pkcs11:token=x;object=y?module-path=/m%00.so", "reference-attribute-invalid"),
    ("pkcs11:token=x;object=y?module-path=", "reference-attribute-invalid"),
    ("pkcs11:token=x;token=x;object=y?module-path=/m.so", "reference-attribute-repeated"),
    ("pkcs11:token=x;object=y?module-path=/m.so&module-path=/m.so", "reference-attribute-repeated"),
    ("pkcs11:token=x;object=y;?module-path=/m.so", "reference-attribute-unknown"),
    ("pkcs11:token=x;;object=y?module-path=/m.so", "reference-attribute-unknown"),
    ("pkcs11:token=x;object=y;x-vendor=1?module-path=/m.so", "reference-attribute-unknown"),
    ("pkcs11:token=x;object=y;module-path=/m.so", "reference-attribute-unknown"),
    ("pkcs11:object=y?module-path=/m.so&token=x", "reference-attribute-unknown"),
    ("pkcs11:token=;object=y?module-path=/m.so", "reference-attribute-invalid"),
    ("pkcs11:token;object=y?module-path=/m.so", "reference-attribute-invalid"),
    ("pkcs11:token=a b;object=y?module-path=/m.so", "reference-encoding-invalid"),
    ("pkcs11:token=M\u{fc}ller;object=y?module-path=/m.so", "reference-encoding-invalid"),
    ("pkcs11:token=x;object=%zz?module-path=/m.so", "reference-encoding-invalid"),
    ("pkcs11:token=x;object=%+1?module-path=/m.so", "reference-encoding-invalid"),
    ("pkcs11:token=x;object=%4?module-path=/m.so", "reference-encoding-invalid"),
    ("pkcs11:token=x;object=%ff?module-path=/m.so", "reference-attribute-invalid"),
    ("pkcs11:token=x;object=%1b%5b31m?module-path=/m.so", "reference-attribute-invalid"),
    ("pkcs11:token=x;id=?module-path=/m.so", "reference-attribute-invalid"),
    ("pkcs11:token=x;object=y;type=public?module-path=/m.so", "reference-attribute-invalid"),
    ("pkcs11:token=x;object=y?module-path=/m.so&pin-value=1234", "reference-pin-refused"),
    ("pkcs11:token=x;object=y;pin-value=1234", "reference-pin-refused"),
    ("pkcs11:token=x;object=y?module-path=/m.so&pin-source=/etc/pin", "reference-attribute-invalid"),
    ("pkcs11:token=x;object=y;slot-id=0?module-path=/m.so", "reference-attribute-unsupported"),
    ("yubihsm:serial=1234567;id=0x0100?connector=usb", "reference-attribute-invalid"),
    ("yubihsm:serial=0001234567;id=0x100?connector=usb", "reference-attribute-invalid"),
    ("yubihsm:serial=0001234567;id=0xffff?connector=usb", "reference-attribute-invalid"),
    ("yubihsm:serial=0001234567?connector=usb", "reference-incomplete"),
    ("yubihsm:serial=0001234567;id=1", "reference-incomplete"),
    ("yubihsm:serial=0001234567;id=0x0100;password=x?connector=usb", "reference-pin-refused"),
];

const CONNECTORS_REFUSED: [&str; 9] = [
    "",
    "USB",
    "https://h:1",
    "http://h",
    "http://h:0",
    "http://h:65536",
    "http://:1",
    "http://u@h:1",
    "http://h:1/",
];

#[test]
fn references_read_and_write() {
    for (text, written) in ACCEPTED {
        let key: KeyRef = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(key.to_string(), written, "{text}");
        assert_eq!(written.parse(), Ok(key), "{text}");
        let separator = if written.contains('?') { '&' } else { '?' };
        let pinned: KeyRef = format!("{written}{separator}public-key={PIN}").parse().unwrap();
        assert_eq!(pinned.public_key().unwrap().to_string(), PIN);
        assert_eq!(pinned.to_string().parse(), Ok(pinned));
    }
}

#[test]
fn other_text_is_refused_by_name() {
    for (text, code) in REFUSED {
        let error = text.parse::<KeyRef>().expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(!error.hint().is_empty());
    }
    for connector in CONNECTORS_REFUSED {
        let text = format!("yubihsm:serial=0001234567;id=1?connector={connector}");
        assert_eq!(text.parse::<KeyRef>().expect_err(&text).code(), "reference-attribute-invalid", "{text}");
    }
    let long = format!("file:{}", "a".repeat(MAX_REFERENCE_BYTES));
    assert_eq!(long.parse::<KeyRef>().unwrap_err(), ReferenceError::TooLong);
}

#[test]
fn refusals_do_not_repeat_the_pin() {
    for text in [
        "pkcs11:token=x;object=y?module-path=/m.so&pin-value=canary",
        "pkcs11:token=x;object=y;pin=canary",
        "yubihsm:serial=canary;id=1?connector=usb",
        "file:a?canary",
    ] {
        let error = text.parse::<KeyRef>().unwrap_err();
        assert!(!format!("{error} {error:?} {}", error.hint()).contains("canary"), "{error:?}");
    }
}

#[test]
fn a_missing_module_names_the_usual_places() {
    let error = "pkcs11:token=x;object=y".parse::<KeyRef>().unwrap_err();
    assert!(error.hint().contains("/usr/lib/softhsm/libsofthsm2.so"));
}

#[test]
fn keys_on_one_token_share_it() {
    let token = |text: &str| text.parse::<KeyRef>().unwrap().token();
    let first = token("pkcs11:token=x;object=root?module-path=/m.so");
    let second = token(&format!("pkcs11:token=x;id=%01?module-path=/m.so&public-key={PIN}"));
    assert_eq!(first, second);
    assert_eq!("pkcs11:token=x?module-path=/m.so".parse(), Ok(first.clone()));
    assert_ne!(first, token("pkcs11:token=x;object=root?module-path=/n.so"));
    assert_ne!(token("file:a"), token("file:b"));
    let one = token("yubihsm:serial=0001234567;id=1;auth-id=2?connector=usb");
    assert_eq!(one, token("yubihsm:serial=0001234567;id=2;auth-id=2?connector=usb"));
    assert_ne!(one, token("yubihsm:serial=0001234567;id=2?connector=usb"));
}
