//! Journeys of a site administrator: from the first request to a feature that runs, and every way in
//! which it must not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chancery_formats::id::EntitlementId;
use chancery_formats::license::{Feature, Features};
use serde_json::Value;

mod audit;
mod decision;
mod facts;
mod install;
mod minima;
mod publisher;
mod request;
mod rotation;
mod state;
mod support;

use support::{Site, Vendor, bare};

const REQUEST: &str = "request --product pump --entitlement ent_0123456789ABC";
const INSTALL: &str = "install pump.clic --trust vendor.ctrust";
/// One white pixel.
const NO_QR: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\x0a\
    IDATx\x9cc\xf8\x0f\x00\x01\x01\x01\x00\xb18\xf6\x14\x00\x00\x00\x00IEND\xaeB`\x82";

fn requested(name: &str) -> (Site, Vendor) {
    let (site, vendor) = (Site::new(name), Vendor::new(1));
    site.write("vendor.ctrust", &vendor.bundle);
    site.ok(&format!("{REQUEST} -o pump.creq"));
    (site, vendor)
}

fn installed(name: &str) -> (Site, Vendor) {
    let (site, vendor) = requested(name);
    site.write("pump.clic", vendor.answer(&site.read("pump.creq"), |_| {}));
    site.ok(INSTALL);
    (site, vendor)
}

/// A license of another product, for any device.
fn valve(vendor: &Vendor) -> Vec<u8> {
    let features = Features::encode(&[("flow", Feature::On)]);
    vendor.sign(&bare("valve", EntitlementId([3; 8]), Features::decode(&features).unwrap()))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
