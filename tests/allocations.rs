//! Verifying a license and deciding on it allocate nothing, counted by the allocator itself.
#![allow(clippy::expect_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use chancery_tests::authority::issue_direct;
use chancery_tests::license::{PRODUCT, START, bare, every_term, full, machine, on_machine};
use chancery_tests::vectors::{World, revoking};
use chancery_verifier::{Context, Facts, Favorable, Trust, decide, explain, verify_license};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// The trait is unsafe to implement. Every call goes to the system's allocator as it came; counting
// touches a constant-initialized thread-local, which itself allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts the allocations that this thread makes while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn verify_and_decide(document: &[u8], trust: &Trust, context: &Context<'_>) {
    let verified = verify_license(document, trust).expect("a good license");
    for feature in ["logging", "reports", "no-such-feature"] {
        black_box(decide(&verified, context, Some(feature)));
        let explanation = explain(&verified, context, Some(feature));
        black_box(explanation.steps().count() + explanation.changes().count());
    }
    black_box(decide(&verified, context, None));
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| drop(black_box(vec![1_u8; 100]))), 1);
    assert_eq!(allocations(|| assert_eq!(black_box([1_u8; 100])[99], 1)), 0);
    let mut grown = Vec::<u8>::with_capacity(1);
    assert_eq!(allocations(|| grown.extend_from_slice(black_box(&[0; 64]))), 1);
}

#[test]
fn verifying_and_deciding_allocate_nothing() {
    let world = World::new();
    let trust = revoking(&world.main).trust();
    let machine = machine();
    let license = on_machine(bare());
    let sealed = |key| world.main.issue_sealed(key, &[license, bare(), bare()]).remove(0);
    let every = every_term(bare());
    let sealed_every = world.main.issue_sealed(&world.seal, &[every, bare()]).remove(0);
    let documents = [
        ("direct, Ed25519", issue_direct(&world.direct, &license)),
        ("direct, P-256", issue_direct(&world.p256_direct, &license)),
        ("direct, full terms", issue_direct(&world.direct, &full(license))),
        ("sealed, every term", sealed_every),
        ("sealed, Ed25519", sealed(&world.seal)),
        ("sealed, P-256", sealed(&world.p256_seal)),
    ];
    let favorable = Favorable::to(&every);
    for facts in [Facts::default(), favorable.facts()] {
        let device_key = every.device_key;
        let context = Context { now: START, product: PRODUCT, device_key, components: &machine, facts };
        for (name, document) in &documents {
            assert_eq!(allocations(|| verify_and_decide(document, &trust, &context)), 0, "{name}");
        }
    }
}

/// Where another crate turns on the feature `alloc` of `signature`, its error boxes the reason of a wrong
/// signature, which is dropped at once. That one allocation is bounded, and is not ours to avoid.
#[test]
fn refusing_a_changed_license_allocates_no_more_than_its_reason() {
    let world = World::new();
    let trust = world.main.trust();
    for good in [world.good_direct(), world.good_sealed()] {
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            let count = allocations(|| assert!(verify_license(&changed, &trust).is_err()));
            assert!(count <= 1, "byte {at}: {count}");
        }
    }
}
