//! Keys kept out of swap space: the one module with `unsafe`, for the address that `mlock` takes.
//!
//! Off until [`harden`](crate::harden) switches it on.

#![allow(
    unsafe_code,
    reason = "locking memory takes an address; it is that of a slice that lives, and is not written to"
)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Larger secrets are no keys but content, which would use the limit up.
const LARGEST: usize = 4096;

static ON: AtomicBool = AtomicBool::new(false);

/// Locks small secrets from now on, and says whether the system lets it.
///
/// # Errors
/// What the system answers when it is asked for one page.
pub(crate) fn switch_on() -> io::Result<()> {
    mlock(&[0; 1])?;
    ON.store(true, Ordering::Relaxed);
    Ok(())
}

/// Locks the pages of `secret`, where that is switched on and `secret` is as small as a key.
///
/// They stay locked when it is dropped: a page holds many things, perhaps another key, and the next key will most
/// often come to lie there. What cannot be locked is used as it is.
pub(crate) fn lock(secret: &[u8]) {
    if !secret.is_empty() && secret.len() <= LARGEST && ON.load(Ordering::Relaxed) {
        let _ = mlock(secret);
    }
}

#[cfg(unix)]
fn mlock(bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the range is that of a slice, which is borrowed for the whole call, and the call neither reads nor writes
    // it: it only has the system keep these pages in memory.
    unsafe { rustix::mm::mlock(bytes.as_ptr().cast_mut().cast(), bytes.len()) }?;
    Ok(())
}

#[cfg(not(unix))]
fn mlock(_: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
