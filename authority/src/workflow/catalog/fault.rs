//! What is wrong with a place of the file, and the checks that every part of it shares.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chancery_formats::id::is_name;
use toml::Spanned;

use super::file::Ids;
use crate::workflow::nearest::nearest;
use crate::workflow::{label, lookalike};

/// Most things of one kind, such as editions of one product.
pub(super) const MAX_ENTRIES: usize = 1_000;

/// Most names in one list.
pub(super) const MAX_NAMES: usize = 64;

/// Most characters of what is quoted from the file.
const MAX_SHOWN: usize = 64;

/// Something wrong with a span of the file.
pub(super) struct Fault(pub Range<usize>, pub String);

/// Quotes what stands in the file, and no more of it than a line takes.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Refuses more entries than are taken.
pub(super) fn count(found: usize, what: &str, at: Option<&Spanned<String>>) -> Result<(), Fault> {
    if found <= MAX_ENTRIES {
        return Ok(());
    }
    let span = at.map_or(0..0, Spanned::span);
    Err(Fault(span, format!("{found} {what} are more than one catalog takes, which is {MAX_ENTRIES}")))
}

/// Returns an id that is one and is new.
pub(super) fn new_name<T>(
    name: &Spanned<String>,
    what: &str,
    known: &BTreeMap<String, T>,
) -> Result<String, Fault> {
    let id = name.get_ref();
    if !is_name(id) {
        let message = format!(
            "{} is not an id: 1 to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first",
            quoted(id)
        );
        return Err(Fault(name.span(), message));
    }
    if known.contains_key(id) {
        return Err(Fault(name.span(), format!("{what} `{id}` occurs twice")));
    }
    Ok(id.clone())
}

/// Returns the name for people of an entry, which is its id where the file gives none.
pub(super) fn person<'a>(
    id: &Spanned<String>,
    name: Option<&Spanned<String>>,
    others: impl IntoIterator<Item = &'a str>,
) -> Result<String, Fault> {
    let name = name.unwrap_or(id);
    let text = name.get_ref();
    label::check(text).map_err(|error| Fault(name.span(), error.to_string()))?;
    if let Some((position, letter)) = lookalike::mixed(text) {
        let message = format!(
            "character {position} is U+{:04X}, which looks like a Latin letter and is none: type the name anew",
            u32::from(letter)
        );
        return Err(Fault(name.span(), message));
    }
    let seen = lookalike::skeleton(text);
    match others.into_iter().find(|other| *other != text && lookalike::skeleton(other) == seen) {
        Some(other) => {
            let message =
                format!("{} looks like {}: give one of them another name", quoted(text), quoted(other));
            Err(Fault(name.span(), message))
        }
        None => Ok(text.clone()),
    }
}

/// Says that something is named that is not there, and what may be meant.
pub(super) fn unknown<'a>(
    name: &Spanned<String>,
    message: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Fault {
    let text = name.get_ref();
    let found = is_name(text).then(|| nearest(text, known)).flatten();
    let meant = found.map_or_else(String::new, |near| format!("; is `{near}` meant?"));
    Fault(name.span(), format!("{message} {}{meant}", quoted(text)))
}

/// Returns a list of names, each once and each known.
pub(super) fn names<T>(
    list: &Ids,
    what: &str,
    known: &BTreeMap<String, T>,
) -> Result<BTreeSet<String>, Fault> {
    let mut found = BTreeSet::new();
    for name in list {
        if !known.contains_key(name.get_ref()) {
            let message = format!("the product has no {what}");
            return Err(unknown(name, &message, known.keys().map(String::as_str)));
        }
        once(name, &mut found)?;
    }
    Ok(found)
}

/// Puts a name into a list that has it not, and has place for it.
pub(super) fn once(name: &Spanned<String>, list: &mut BTreeSet<String>) -> Result<(), Fault> {
    if list.len() == MAX_NAMES {
        return Err(Fault(name.span(), format!("a list takes at most {MAX_NAMES} names")));
    }
    if !list.insert(name.get_ref().clone()) {
        return Err(Fault(name.span(), format!("{} occurs twice in the list", quoted(name.get_ref()))));
    }
    Ok(())
}
