//! Names of files and folders that every file system takes, a stick of Windows among them.
//!
//! Not here: names for people, and which names documents allow (`chancery-formats`).

/// Names that Windows keeps for devices, with any ending or none.
const DEVICES: [&str; 6] = ["aux", "con", "nul", "prn", "conin$", "conout$"];

/// Returns a name for a file or folder that tells `name` from every other.
///
/// Small letters, digits, dash, underscore and dots inside stay; every other byte becomes `%` and two hexadecimal
/// digits, and so does the first of a name that Windows keeps for a device, and a dot at either end. An empty name
/// becomes `%`. Two names never give one.
#[must_use]
pub fn portable_name(name: &str) -> String {
    if name.is_empty() {
        return "%".to_owned();
    }
    let last = name.len() - 1;
    let is_device = is_device(name);
    let mut portable = String::with_capacity(name.len());
    for (place, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let at_edge = byte == b'.' && (place == 0 || place == last);
        if plain && !at_edge && !(is_device && place == 0) {
            portable.push(char::from(byte));
        } else {
            portable.push_str(&format!("%{byte:02x}"));
        }
    }
    portable
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let numbered = ["com", "lpt"].iter().any(|port| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|number| number.len() == 1 && number.bytes().all(|digit| digit.is_ascii_digit()))
    });
    numbered || DEVICES.contains(&stem)
}

#[cfg(test)]
mod tests {
    use super::portable_name;

    #[test]
    fn plain_names_stay_and_others_are_told_apart() {
        for plain in ["acme", "acme-2", "a.b_c", "com", "com10", "console", "lpt-1"] {
            assert_eq!(portable_name(plain), plain);
        }
        for (name, portable) in [
            ("con", "%63on"),
            ("con.txt", "%63on.txt"),
            ("com1", "%63om1"),
            ("lpt9.a.b", "%6cpt9.a.b"),
            ("nul", "%6eul"),
            ("acme.", "acme%2e"),
            (".", "%2e"),
            ("..", "%2e%2e"),
            ("", "%"),
            ("%", "%25"),
            ("a/b", "a%2fb"),
            ("..\\up", "%2e.%5cup"),
            ("Acme", "%41cme"),
            ("a b\0", "a%20b%00"),
            ("m\u{fc}", "m%c3%bc"),
        ] {
            assert_eq!(portable_name(name), portable);
        }
    }
}
