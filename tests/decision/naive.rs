//! A second implementation of the page, written apart from the first: every objection in a list, then a choice.
//!
//! It is slow, allocates, and works on numbers too wide to overflow. Where the two differ, one of them is wrong.

use chancery_formats::id::Thumbprint;
use chancery_formats::license::{EnforcementMode, Feature, License, Names, Version};
use chancery_verifier::{Facts, Seat, Verdict};

/// Who asks, what is told, and when.
#[derive(Clone, Debug)]
pub struct Situation {
    pub product: &'static str,
    pub feature: Option<&'static str>,
    pub device_key: Option<Thumbprint>,
    /// How many of the six components are as licensed.
    pub matching: usize,
    pub version: Option<Version>,
    pub released_at: Option<u64>,
    pub territory: Option<&'static str>,
    pub channel: Option<&'static str>,
    pub installed_on: Option<u64>,
    pub binding: Option<u64>,
    pub user: Option<&'static str>,
    pub groups: Option<Vec<&'static str>>,
    pub seat: Option<Seat>,
    pub used: Option<u64>,
    pub now: u64,
}

impl Situation {
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            version: self.version,
            released_at: self.released_at,
            territory: self.territory,
            channel: self.channel,
            installed_on: self.installed_on,
            binding: self.binding,
            user: self.user,
            groups: self.groups.as_deref(),
            seat: self.seat,
            used: self.used,
        }
    }
}

pub type Answer = (Verdict, &'static str);

/// Returns the verdict, the code, and the first second in which they are others.
pub fn decide(license: &License<'_>, situation: &Situation) -> (Answer, Option<u64>) {
    let now = answer(license, situation, u128::from(situation.now));
    let mut notable: Vec<u128> = license.not_before.into_iter().map(u128::from).collect();
    if let Some(end) = license.not_after.map(u128::from) {
        let enforcement = license.terms.enforcement;
        notable.push(end.saturating_sub(enforcement.notice_secs.into()));
        notable.extend([end + 1, end + u128::from(enforcement.grace_secs) + 1]);
    }
    notable.retain(|at| *at > situation.now.into() && answer(license, situation, *at) != now);
    (now, notable.into_iter().min().map(|at| at.try_into().expect("a time")))
}

fn answer(license: &License<'_>, situation: &Situation, now: u128) -> Answer {
    let objections = objections(license, situation, now);
    for verdict in [Verdict::Deny, Verdict::Degrade, Verdict::Warn] {
        if let Some(found) = objections.iter().find(|objection| objection.0 == verdict) {
            return *found;
        }
    }
    (Verdict::Allow, "granted")
}

fn objections(license: &License<'_>, it: &Situation, now: u128) -> Vec<Answer> {
    let terms = &license.terms;
    let mut found: Vec<Answer> = Vec::new();
    let mut deny = |wrong: bool, code| found.extend(wrong.then_some((Verdict::Deny, code)));
    let lists = |names: &Option<Names<'_>>, name: &str| {
        names.iter().flat_map(Names::iter).any(|listed| listed.as_bytes() == name.as_bytes())
    };
    let grant = it.feature.and_then(|name| terms.features.iter().find(|(known, _)| *known == name));

    deny(license.product != it.product, "product-other");
    deny(it.feature.is_some() && grant.is_none(), "feature-not-granted");
    deny(license.device_key.is_some() && it.device_key.is_none(), "device-key-missing");
    deny(license.device_key.is_some() && license.device_key != it.device_key, "device-other");
    deny(terms.device.is_some_and(|device| (it.matching as u64) < device.k), "device-components");
    if license.device_key.is_none()
        && let Some(allowed) = terms.bindings
    {
        deny(it.binding.is_none(), "binding-unknown");
        deny(it.binding == Some(0) || it.binding > Some(allowed), "binding-beyond");
    }
    if let Some(window) = terms.versions {
        let bounds = (window.lowest, window.highest);
        deny(bounds != (None, None) && it.version.is_none(), "version-unknown");
        if let Some(version) = it.version {
            deny(bounds.0.is_some_and(|lowest| packed(&version, 4) < packed(&lowest, 4)), "version-older");
            let above = |highest: Version| {
                let length = highest.numbers().len();
                packed(&version, length) > packed(&highest, length)
            };
            deny(bounds.1.is_some_and(above), "version-newer");
        }
        deny(window.released_until.is_some() && it.released_at.is_none(), "release-unknown");
        let late = |(until, released)| released > until;
        deny(window.released_until.zip(it.released_at).is_some_and(late), "release-later");
    }
    deny(terms.territory.is_some() && it.territory.is_none(), "territory-unknown");
    deny(
        terms.territory.is_some() && !lists(&terms.territory, it.territory.unwrap_or("")),
        "territory-other",
    );
    if let Some(limits) = terms.distribution {
        deny(limits.channels.is_some() && it.channel.is_none(), "channel-unknown");
        deny(
            limits.channels.is_some() && !lists(&limits.channels, it.channel.unwrap_or("")),
            "channel-other",
        );
        deny(limits.devices.is_some() && it.installed_on.is_none(), "installs-unknown");
        deny(limits.devices.is_some() && it.installed_on > limits.devices, "installs-exceeded");
    }
    if let Some(named) = terms.users {
        let user = lists(&named.users, it.user.unwrap_or(""));
        let member = it.groups.iter().flatten().any(|group| lists(&named.groups, group));
        deny(!user && !member && named.users.is_some() && it.user.is_none(), "user-unknown");
        deny(!user && !member && named.groups.is_some() && it.groups.is_none(), "groups-unknown");
        deny(!user && !member, "user-other");
    }
    deny(license.not_before.is_some_and(|start| now < start.into()), "not-yet-valid");
    found.extend(term(license, now));
    found.extend(amounts(license, it, grant.map(|(_, grant)| grant)));
    found
}

/// As one number, so many of the version's numbers, each of 32 bits.
fn packed(version: &Version, length: usize) -> u128 {
    let numbers = version.numbers().iter().copied().chain([0; 4]);
    numbers.take(length).fold(0, |sum, number| (sum << 32) + u128::from(number))
}

fn by_mode(license: &License<'_>) -> Verdict {
    match license.terms.enforcement.mode {
        EnforcementMode::Deny => Verdict::Deny,
        EnforcementMode::Warn => Verdict::Warn,
        EnforcementMode::Degrade => Verdict::Degrade,
    }
}

fn term(license: &License<'_>, now: u128) -> Option<Answer> {
    let end = u128::from(license.not_after?);
    let enforcement = license.terms.enforcement;
    if now <= end {
        let soon = enforcement.notice_secs != 0 && now + u128::from(enforcement.notice_secs) >= end;
        return soon.then_some((Verdict::Warn, "ends-soon"));
    }
    let past = now - end > u128::from(enforcement.grace_secs);
    Some(if past { (by_mode(license), "expired") } else { (Verdict::Warn, "in-grace") })
}

fn amounts(license: &License<'_>, it: &Situation, grant: Option<Feature>) -> Vec<Answer> {
    let mut found = Vec::new();
    if let Some(seats) = license.terms.seats {
        match it.seat {
            None => found.push((Verdict::Deny, "seat-unknown")),
            Some(Seat::TakenByOthers(taken)) if taken >= seats => {
                found.push((by_mode(license), "seats-exhausted"));
            }
            Some(_) => {}
        }
    }
    if let Some(Feature::Quota { quota, overdraft }) = grant {
        let (quota, whole) = (u128::from(quota), u128::from(quota) + u128::from(overdraft));
        match it.used.map(u128::from) {
            None => found.push((Verdict::Deny, "used-unknown")),
            Some(used) if used >= whole => found.push((by_mode(license), "quota-exhausted")),
            Some(used) if used >= quota => found.push((Verdict::Warn, "in-overdraft")),
            Some(_) => {}
        }
    }
    found
}
