//! The randomness of this process, planted: the same seed gives the same.
//!
//! Libraries draw from the system where nobody can hand them a seed: the order of hash maps, the choices of the event
//! loop between tasks that are ready, the election timeouts of the raft library. All of it comes from `getrandom`, for
//! which this program has its own. A history is played in a process of its own, since some of these are never seeded
//! twice.

use std::sync::atomic::{AtomicU64, Ordering};

static STATE: AtomicU64 = AtomicU64::new(0);

/// To be called before anything else.
pub(crate) fn plant(seed: u64) {
    STATE.store(seed, Ordering::Relaxed);
}

/// SplitMix64.
fn next() -> u64 {
    let z = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// In the place of the C library's function of this name.
///
/// # Safety
/// As there: `buffer` is valid for writes of `length` bytes.
#[expect(
    unsafe_code,
    reason = "the C library's functions have C signatures; this program is no part of the product"
)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    for at in 0..length {
        let [byte, ..] = next().to_le_bytes();
        // SAFETY: below `length`, as the caller promises.
        unsafe { buffer.add(at).write(byte) };
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}
