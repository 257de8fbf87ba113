//! Names for people that look like others: letters of another script among Latin ones, and names that differ in
//! nothing that an eye sees.
//!
//! Not all of Unicode's confusables (UTS #39): those of Cyrillic, Greek and full width that are drawn as Latin
//! letters are, and of ASCII those that many fonts do not tell apart. Not here: text that hides or reorders
//! (`label`).

/// Letters that are drawn as Latin ones, and as which.
const DRAWN_ALIKE: [(&str, &str); 4] = [
    ("аеорсухѕіјһԁԛԝ", "aeopcyxsijhdqw"),
    ("АВЕКМНОРСТУХЅІЈӀ", "ABEKMHOPCTYXSIJI"),
    ("οανικρυχ", "oavikpux"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
];

/// Returns what a letter of another script is drawn as.
fn latin(letter: char) -> Option<char> {
    if letter.is_ascii() {
        return None;
    }
    if let '\u{ff01}'..='\u{ff5e}' = letter {
        return char::from_u32(u32::from(letter) - 0xfee0);
    }
    DRAWN_ALIKE.iter().find_map(|(letters, drawn)| {
        letters.chars().zip(drawn.chars()).find(|(other, _)| *other == letter).map(|(_, drawn)| drawn)
    })
}

/// Returns the first letter of another script that stands in a word with Latin letters and is drawn as one, with its
/// position in characters, from 1.
#[must_use]
pub fn mixed(text: &str) -> Option<(usize, char)> {
    let letters: Vec<char> = text.chars().collect();
    let mut start = 0;
    for word in letters.split(|letter| !letter.is_alphanumeric()) {
        let other = word.iter().position(|letter| latin(*letter).is_some());
        if let Some(place) = other.filter(|_| word.iter().any(char::is_ascii_alphabetic)) {
            return Some((start + place + 1, word[place]));
        }
        start += word.len() + 1;
    }
    None
}

/// Returns what a text looks like: two with the same answer cannot be told apart at a glance.
#[must_use]
pub fn skeleton(text: &str) -> String {
    let seen = text.chars().map(|letter| match latin(letter).unwrap_or(letter) {
        'I' | '1' | '|' => 'l',
        '0' => 'O',
        space if space.is_whitespace() => ' ',
        other => other,
    });
    seen.collect::<String>().replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_another_script_among_latin_ones_are_named() {
        assert_eq!(mixed("Pump Cоntrol"), Some((7, 'о')));
        assert_eq!(mixed("Ѕtandard"), Some((1, 'Ѕ')));
        assert_eq!(mixed("Ａcme"), Some((1, 'Ａ')));
        for sound in ["Müller & Søn", "東京 Pump", "Насос", "Ωmega kΩ µA", "α-Pump", "Pump 2"] {
            assert_eq!(mixed(sound), None, "{sound}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in
            [("Pump I", "Pump 1"), ("Асе", "Ace"), ("Modern", "Modem"), ("O2", "02"), ("a\u{a0}b", "a b")]
        {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("Standard"), skeleton("standard"));
        assert_ne!(skeleton("Pump 1"), skeleton("Pump 2"));
    }

    #[test]
    fn each_letter_of_the_table_is_drawn_as_one() {
        for (letters, drawn) in DRAWN_ALIKE {
            assert_eq!(letters.chars().count(), drawn.len());
            assert!(drawn.is_ascii() && !letters.chars().any(|letter| letter.is_ascii()));
        }
    }
}
