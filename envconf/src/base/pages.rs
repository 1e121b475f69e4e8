//! Memory pages of buffers: locked for keys, huge for large content.
//!
//! This is the one module with `unsafe`, because `mlock` and `madvise` take an address. Locking is off until
//! [`harden`](crate::harden) switches it on.

#![allow(
    unsafe_code,
    reason = "mlock and madvise take an address; it is the address of a borrowed slice, and neither call writes to it"
)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Largest secret that is locked. Larger ones are content, and would exhaust the limit.
const LARGEST: usize = 4096;

static ON: AtomicBool = AtomicBool::new(false);

/// Locks small secrets from now on.
///
/// # Errors
/// The error of the system when it is asked to lock one page.
pub(crate) fn switch_on() -> io::Result<()> {
    mlock(&[0; 1])?;
    ON.store(true, Ordering::Relaxed);
    Ok(())
}

/// Locks the pages of `secret`, if locking is enabled and `secret` is as small as a key.
///
/// The pages stay locked after the secret is dropped. A page holds many values, perhaps another key, and the allocator
/// often reuses the memory for the next key. A secret that cannot be locked is used unlocked.
pub(crate) fn lock(secret: &[u8]) {
    if !secret.is_empty() && secret.len() <= LARGEST && ON.load(Ordering::Relaxed) {
        let _ = mlock(secret);
    }
}

#[cfg(unix)]
fn mlock(bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the range is that of a slice, which is borrowed for the whole call. The call neither reads nor writes
    // it; it only makes the system keep these pages in memory.
    unsafe { rustix::mm::mlock(bytes.as_ptr().cast_mut().cast(), bytes.len()) }?;
    Ok(())
}

/// Size and alignment of a huge page, in bytes: of x86-64, and of aarch64 with pages of 4 KiB.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

/// Asks the system for huge pages behind a large buffer that nothing was written to yet. Has no effect on small
/// buffers.
///
/// The system clears each page on first use. With pages of 4 KiB, 64 MiB cause 16,384 page faults, which take as long
/// as decoding the same content. A system without huge pages ignores the advice.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_huge<T>(buffer: &mut [T]) {
    const PAGE: usize = 4096;
    let bytes = size_of_val(buffer);
    if bytes < 2 * HUGE {
        return;
    }
    let start = buffer.as_mut_ptr().cast::<u8>();
    // madvise wants an address at a page boundary; the part before it keeps its small pages.
    let skipped = start.align_offset(PAGE);
    let Some(len) = bytes.checked_sub(skipped).map(|len| len / PAGE * PAGE) else { return };
    // SAFETY: the range is within a slice that is borrowed for the whole call. The advice does not change the bytes of
    // the slice; it only makes the system choose larger pages.
    let _ = unsafe {
        rustix::mm::madvise(start.wrapping_add(skipped).cast(), len, rustix::mm::Advice::LinuxHugepage)
    };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_huge<T>(_: &mut [T]) {}

#[cfg(not(unix))]
fn mlock(_: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_leaves_buffers_of_every_size_as_they_are() {
        for len in [0, 1, 4095, 4 << 20, (4 << 20) + 1, (5 << 20) - 1] {
            let mut bytes = vec![7_u8; len];
            prefer_huge(&mut bytes);
            assert!(bytes.iter().all(|byte| *byte == 7), "{len}");
            let mut spare = Vec::<u8>::with_capacity(len);
            prefer_huge(spare.spare_capacity_mut());
            spare.resize(len, 9);
            assert!(spare.iter().all(|byte| *byte == 9), "{len}");
        }
    }
}
